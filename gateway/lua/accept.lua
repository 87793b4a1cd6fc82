-- accept: the gateway notes how much audio is durably in the broker.
--
-- KEYS[1] asr:session:<id>  hash   accepted
-- ARGV[1] gateway_epoch  a stale one changes nothing
-- ARGV[2] samples
-- Returns {1} or {0, reason}.
-- It only ever rises: a call that was on its way while `end` ran, or that is repeated after a lost
-- answer, brings an older position.
local now = redis.call('HMGET', KEYS[1], 'gateway_epoch', 'accepted')
if not now[1] then return {0, 'gone'} end
if now[1] ~= ARGV[1] then return {0, 'superseded'} end
if tonumber(ARGV[2]) > tonumber(now[2] or '0') then
  redis.call('HSET', KEYS[1], 'accepted', ARGV[2])
end
return {1}
