-- commit: append finals and move the committed position, all or nothing.
--
-- KEYS[1] asr:session:<id>           hash   committed, segments, commits, attempts, losses, trial; state at the end
-- KEYS[2] asr:session:<id>:segments  list   Segment JSON, index = place in the list
-- KEYS[3] asr:session:<id>:snapshot  bytes  the recogniser's state at the committed position
-- ARGV[1] epoch     of the writer; a stale one changes nothing
-- ARGV[2] serial    number of this commit in the session; the same again is a retry, not a second commit
-- ARGV[3] position  samples
-- ARGV[4] snapshot  bytes, may be empty
-- ARGV[5] ended     '1' when all audio was read: streaming → finishing
-- ARGV[6] on_trial  '1': the session keeps its tries, it has not yet reached where its workers died
-- ARGV[7…] the bodies of the finals' JSON objects without their index, e.g. '"text":"…"}'
-- Returns {1, segments} or {0, reason}.
local now = redis.call('HMGET', KEYS[1], 'epoch', 'commits', 'segments', 'state')
if not now[1] then return {0, 'gone'} end
if now[1] ~= ARGV[1] then return {0, 'stale'} end
local done, serial = tonumber(now[2] or '0'), tonumber(ARGV[2])
local segments = tonumber(now[3] or '0')
if done == serial then return {1, segments} end
if done ~= serial - 1 then return {0, 'serial'} end
for i = 7, #ARGV do
  redis.call('RPUSH', KEYS[2], '{"index":' .. segments .. ',' .. ARGV[i])
  segments = segments + 1
end
redis.call('SET', KEYS[3], ARGV[4])
redis.call('HSET', KEYS[1], 'committed', ARGV[3], 'segments', segments, 'commits', serial)
if ARGV[6] ~= '1' then
  redis.call('HSET', KEYS[1], 'attempts', 0)
  redis.call('HDEL', KEYS[1], 'losses', 'trial')
end
if ARGV[5] == '1' and now[4] == 'streaming' then redis.call('HSET', KEYS[1], 'state', 'finishing') end
return {1, segments}
