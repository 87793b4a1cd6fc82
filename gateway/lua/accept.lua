-- accept: the gateway notes how much audio is durably in the broker.
--
-- KEYS[1] asr:session:<id>  hash   accepted
-- ARGV[1] gateway_epoch  a stale one changes nothing
-- ARGV[2] samples
-- Returns {1} or {0, reason}.
local epoch = redis.call('HGET', KEYS[1], 'gateway_epoch')
if not epoch then return {0, 'gone'} end
if epoch ~= ARGV[1] then return {0, 'superseded'} end
redis.call('HSET', KEYS[1], 'accepted', ARGV[2])
return {1}
