-- begin: queued → running, with what the probe found; running already: nothing changes.
--
-- KEYS[1] asr:job:<id>
-- ARGV[1] duration, seconds; 0: unknown
-- ARGV[2] channels
-- Returns {1, position, cut}: go on cutting there; {0}: the job is over, or is not.
local now = redis.call('HMGET', KEYS[1], 'state', 'position', 'cut', 'begun')
if now[1] ~= 'queued' and now[1] ~= 'running' then return {0} end
if now[1] == 'queued' then
  redis.call('HSET', KEYS[1], 'state', 'running', 'duration', ARGV[1], 'channels', ARGV[2])
  if not now[4] then redis.call('HSET', KEYS[1], 'begun', redis.call('TIME')[1]) end
  redis.call('HINCRBY', KEYS[1], 'serial', 1)
end
return {1, tonumber(now[2] or '0'), now[3] or '0'}
