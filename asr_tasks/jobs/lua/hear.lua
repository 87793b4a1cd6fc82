-- hear: keep what was said in some pieces, each once; the second telling changes nothing.
--
-- KEYS[1] asr:job:<id>, KEYS[2] …:pieces, KEYS[3] …:heard
-- ARGV    index, JSON list of utterances; index, JSON; …
-- Returns {1, complete}: whether all of the job is heard; {0}: the job is over.
local now = redis.call('HMGET', KEYS[1], 'state', 'heard', 'cut', 'pieces')
if now[1] ~= 'running' then return {0} end
local heard = tonumber(now[2] or '0')
for i = 1, #ARGV, 2 do
  local piece = redis.call('HGET', KEYS[2], ARGV[i])
  -- A Redis that lost its last second may know nothing of the piece: it will be cut again.
  if piece and redis.call('HSETNX', KEYS[3], ARGV[i], ARGV[i + 1]) == 1 then
    local start, stop = string.match(piece, '(%d+) (%d+)')
    heard = heard + stop - start
  end
end
redis.call('HSET', KEYS[1], 'heard', heard)
redis.call('HINCRBY', KEYS[1], 'serial', 1)
local complete = now[3] == '1' and redis.call('HLEN', KEYS[3]) == tonumber(now[4] or '0')
return {1, complete and 1 or 0}
