-- cut: add the pieces of a stretch, if the stretch begins where the job has been cut up to.
--
-- KEYS[1] asr:job:<id>, KEYS[2] …:pieces, KEYS[3] …:heard
-- ARGV[1] from, ARGV[2] to: samples
-- ARGV[3] '1': nothing follows
-- ARGV[4…] pieces: 'start end silent'
-- Returns {1, position, cut, first}: the position now, and the index of the first of these pieces, -1
-- if somebody else had cut there before; {0}: the job is over.
local now = redis.call('HMGET', KEYS[1], 'state', 'position', 'cut', 'pieces', 'heard')
if now[1] ~= 'running' then return {0} end
local position, first = tonumber(now[2] or '0'), tonumber(now[4] or '0')
if position ~= tonumber(ARGV[1]) or now[3] == '1' then return {1, position, now[3] or '0', -1} end
local heard = tonumber(now[5] or '0')
for i = 4, #ARGV do
  local index = first + i - 4
  redis.call('HSET', KEYS[2], index, ARGV[i])
  local start, stop, silent = string.match(ARGV[i], '(%d+) (%d+) (%d)')
  if silent == '1' and redis.call('HSETNX', KEYS[3], index, '[]') == 1 then
    heard = heard + stop - start
  end
end
redis.call('HSET', KEYS[1], 'position', ARGV[2], 'cut', ARGV[3], 'pieces', first + #ARGV - 3,
  'heard', heard)
redis.call('HINCRBY', KEYS[1], 'serial', 1)
return {1, tonumber(ARGV[2]), ARGV[3], first}
