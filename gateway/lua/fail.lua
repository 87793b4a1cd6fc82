-- fail: the gateway ends its session without success (cancelled, no worker in time).
-- A worker that still has it is refused its next commit and stops; its slot is freed by its report.
--
-- KEYS[1] asr:session:<id>           hash   read, deleted
-- KEYS[2] asr:session:<id>:segments  list   read, deleted
-- KEYS[3] asr:session:<id>:snapshot  bytes  deleted
-- KEYS[4] asr:result:<id>            text   JSON, written with an expiry
-- KEYS[5] asr:sessions               set    the id leaves it
-- KEYS[6] asr:model:<model>:waiting  zset   the id leaves it
-- ARGV[1] id  ARGV[2] gateway_epoch  ARGV[3] code  ARGV[4] message  ARGV[5] expiry, seconds
-- ARGV[6] '1': only while it waits for a worker
-- Returns {1, segments} or {0, reason}. The same call again, after a lost answer, finds nothing:
-- {0, 'gone'}; the caller reads the result, which is its own.
local now = redis.call('HMGET', KEYS[1], 'gateway_epoch', 'state', 'committed')
if not now[1] then return {0, 'gone'} end
if now[1] ~= ARGV[2] then return {0, 'superseded'} end
if ARGV[6] == '1' and now[2] ~= 'waiting' then return {0, 'has a worker'} end
redis.call('ZREM', KEYS[6], ARGV[1])
-- #include retire.lua
local duration = (tonumber(now[3] or '0') or 0) / 16000
return {1, retire(KEYS, ARGV[1], 'failed', ARGV[3], ARGV[4], tostring(duration), '', ARGV[5])}
