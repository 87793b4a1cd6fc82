-- touch: the unary sign of life. It says nothing about what runs, so it reconciles nothing.
--
-- asr:worker:<name>  hash  beat; starting → idle for a worker that has no stream
-- ARGV[1] worker  ARGV[2] '1' if the worker speaks only this way
-- Returns {'ok'} or {'unknown'}.
-- #include keys.lua
-- #include slots.lua
local key = worker_key(ARGV[1])
local state = redis.call('HGET', key, 'state')
if not state or state == 'gone' then return {'unknown'} end
redis.call('HINCRBY', key, 'beat', 1)
if ARGV[2] == '1' and state == 'starting' then
  redis.call('HSET', key, 'state', 'idle')
  refresh(ARGV[1])
end
return {'ok'}
