-- commit: append finals and move the committed position, all or nothing.
--
-- KEYS[1] asr:session:<id>           hash   committed, segments, commits, attempts, losses, trial;
--                                           state at the end
-- KEYS[2] asr:session:<id>:segments  list   Segment JSON, index = place in the list
-- KEYS[3] asr:session:<id>:snapshot  bytes  the recogniser's state at the committed position
-- ARGV[1] epoch, ARGV[2] claim, ARGV[3] worker  of the writer; a stale one changes nothing
-- ARGV[4] serial    number of this commit in the session; the same again is a retry, not a second commit
-- ARGV[5] first     index of the first of these finals
-- ARGV[6] position  samples
-- ARGV[7] snapshot  bytes, may be empty
-- ARGV[8] ended     '1' when all audio was read: streaming → finishing
-- ARGV[9] on_trial  '1': the session keeps its tries, it has not yet reached where its workers died
-- ARGV[10…] the bodies of the finals' JSON objects without their index, e.g. '"text":"…"}'
-- Returns {1, segments}; {0, reason}; or {0, 'behind', segments}: Redis has lost commits; the same
-- again, with the finals from there on, puts them back.
-- #include owns.lua
local mine = owns(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if mine[1] == 0 then return mine end
local now = redis.call('HMGET', KEYS[1], 'commits', 'segments', 'state')
local done, serial = tonumber(now[1] or '0'), tonumber(ARGV[4])
local segments = tonumber(now[2] or '0')
if done == serial then return {1, segments} end
if done > serial then return {0, 'serial'} end
if segments ~= tonumber(ARGV[5]) then return {0, 'behind', segments} end
for i = 10, #ARGV do
  redis.call('RPUSH', KEYS[2], '{"index":' .. segments .. ',' .. ARGV[i])
  segments = segments + 1
end
redis.call('SET', KEYS[3], ARGV[7])
redis.call('HSET', KEYS[1], 'committed', ARGV[6], 'segments', segments, 'commits', serial)
if ARGV[9] ~= '1' then
  redis.call('HSET', KEYS[1], 'attempts', 0)
  redis.call('HDEL', KEYS[1], 'losses', 'trial')
end
if ARGV[8] == '1' and now[3] == 'streaming' then redis.call('HSET', KEYS[1], 'state', 'finishing') end
return {1, segments}
