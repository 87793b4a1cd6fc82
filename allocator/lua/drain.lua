-- drain: an operator takes a worker out of service; its next report is answered with it.
--
-- asr:worker:<name>       hash  starting, idle, busy → draining
-- asr:model:<model>:free  zset  left (slots.lua)
-- ARGV[1] worker
-- Returns the number of sessions it has, or -1: no such worker.
-- #include keys.lua
-- #include slots.lua
local state = redis.call('HGET', worker_key(ARGV[1]), 'state')
if not state or state == 'gone' then return -1 end
redis.call('HSET', worker_key(ARGV[1]), 'state', 'draining')
refresh(ARGV[1])
return redis.call('SCARD', worker_sessions_key(ARGV[1]))
