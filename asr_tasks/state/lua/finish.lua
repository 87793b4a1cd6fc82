-- finish: the owner ends a session; what stays is its result, for a while.
--
-- KEYS[1] asr:session:<id>           hash   read, deleted
-- KEYS[2] asr:session:<id>:segments  list   read, deleted
-- KEYS[3] asr:session:<id>:snapshot  bytes  deleted
-- KEYS[4] asr:result:<id>            text   JSON, written with an expiry
-- KEYS[5] asr:sessions               set    the id leaves it
-- ARGV[1] id  ARGV[2] epoch  ARGV[3] 'done' or 'failed'  ARGV[4] code  ARGV[5] message
-- ARGV[6] duration, seconds  ARGV[7] reason (eos, idle, limit)  ARGV[8] expiry, seconds
-- ARGV[9] claim, ARGV[10] worker  of the owner  ARGV[11] serial of its last commit
-- Returns {1, segments} or {0, reason}; {0, 'behind', segments}: commits were lost, and have to be
-- put back first. The same call again finds nothing: {0, 'gone'}.
-- #include owns.lua
-- #include retire.lua
local mine = owns(KEYS[1], ARGV[2], ARGV[9], ARGV[10])
if mine[1] == 0 then return mine end
local now = redis.call('HMGET', KEYS[1], 'commits', 'segments')
if tonumber(now[1] or '0') < tonumber(ARGV[11]) then
  return {0, 'behind', tonumber(now[2] or '0')}
end
return {1, retire(KEYS, ARGV[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8])}
