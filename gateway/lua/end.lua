-- end: the gateway decides how long the stream is; before it publishes the end of stream.
--
-- KEYS[1] asr:session:<id>  hash   accepted, ended
-- ARGV[1] gateway_epoch  a stale one changes nothing
-- ARGV[2] samples
-- Returns {1, total} or {0, reason}. The first decision stands: the same call again gets it.
local now = redis.call('HMGET', KEYS[1], 'gateway_epoch', 'ended')
if not now[1] then return {0, 'gone'} end
if now[1] ~= ARGV[1] then return {0, 'superseded'} end
if now[2] then return {1, now[2]} end
redis.call('HSET', KEYS[1], 'accepted', ARGV[2], 'ended', ARGV[2])
return {1, ARGV[2]}
