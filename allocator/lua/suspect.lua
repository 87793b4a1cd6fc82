-- suspect: the control stream of a worker broke. It gets no new session until it is back.
--
-- asr:worker:<name>       hash  suspect: the stream that broke
-- asr:model:<model>:free  zset  left (slots.lua)
-- asr:suspects            pub/sub  the worker's name
-- ARGV[1] worker  ARGV[2] stream; if a newer one speaks for the worker already, nothing happens
-- Returns 1 or 0.
-- #include keys.lua
-- #include slots.lua
local key = worker_key(ARGV[1])
local was = redis.call('HMGET', key, 'stream', 'state')
if was[1] ~= ARGV[2] or was[2] == 'gone' then return 0 end
redis.call('HSET', key, 'suspect', ARGV[2])
refresh(ARGV[1])
redis.call('PUBLISH', 'asr:suspects', ARGV[1])
return 1
