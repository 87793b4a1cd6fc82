-- finish: the owner ends a session; what stays is its result, for a while.
--
-- KEYS[1] asr:session:<id>           hash   read, deleted
-- KEYS[2] asr:session:<id>:segments  list   read, deleted
-- KEYS[3] asr:session:<id>:snapshot  bytes  deleted
-- KEYS[4] asr:result:<id>            text   JSON, written with an expiry
-- KEYS[5] asr:sessions               set    the id leaves it
-- ARGV[1] id  ARGV[2] epoch  ARGV[3] 'done' or 'failed'  ARGV[4] code  ARGV[5] message
-- ARGV[6] duration, seconds  ARGV[7] reason (eos, idle, limit)  ARGV[8] expiry, seconds
-- Returns {1, segments} or {0, reason}. The same call again finds nothing: {0, 'gone'}.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return {0, 'gone'} end
if epoch ~= ARGV[2] then return {0, 'stale'} end
-- #include retire.lua
return {1, retire(KEYS, ARGV[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8])}
