-- attach: a gateway takes a session over for a client that came back with its token.
--
-- KEYS[1] asr:session:<id>  hash   gateway, gateway_epoch + 1, token, token_prev
-- KEYS[2] asr:result:<id>   text   read when the session is over
-- ARGV[1] sha256 of the token that was presented
-- ARGV[2] sha256 of the token that is to be valid from now on
-- ARGV[3] gateway
-- The presented token stays valid as token_prev: if the answer is lost, the client has only that. So
-- the same call again attaches again, with the next epoch; the lost one belonged to nobody.
-- Returns {1, gateway_epoch, accepted, ended, model, source, epoch, resume}, {2, result} or
-- {0, reason}.
local now = redis.call('HMGET', KEYS[1], 'token', 'token_prev')
if not now[1] then
  local result = redis.call('GET', KEYS[2])
  if result then return {2, result} end
  return {0, 'gone'}
end
if now[1] ~= ARGV[1] and now[2] ~= ARGV[1] then return {0, 'token'} end
redis.call('HSET', KEYS[1], 'token', ARGV[2], 'token_prev', ARGV[1], 'gateway', ARGV[3])
local epoch = redis.call('HINCRBY', KEYS[1], 'gateway_epoch', 1)
local read = redis.call('HMGET', KEYS[1], 'accepted', 'ended', 'model', 'source', 'epoch', 'resume')
for i = 1, 6 do read[i] = read[i] or '' end
return {1, tostring(epoch), unpack(read)}
