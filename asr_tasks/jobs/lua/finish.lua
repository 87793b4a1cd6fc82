-- finish: the job is over, one way or another, if it was not before.
--
-- KEYS[1] asr:job:<id>, KEYS[2] …:pieces, KEYS[3] …:heard, KEYS[4] …:tries, KEYS[5] …:transcript,
-- KEYS[6] asr:jobs:live
-- ARGV[1] id, ARGV[2] 'done', 'failed' or 'cancelled', ARGV[3] code, ARGV[4] message
-- ARGV[5] transcript (JSON), for 'done'
-- ARGV[6] seconds that the job is kept from now on
-- Returns 1 if it ended now.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'code', ARGV[3], 'message', ARGV[4],
  'ended', redis.call('TIME')[1])
redis.call('HINCRBY', KEYS[1], 'serial', 1)
redis.call('SREM', KEYS[6], ARGV[1])
if ARGV[2] == 'done' then
  redis.call('SET', KEYS[5], ARGV[5])
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
end
for i = 1, 5 do redis.call('EXPIRE', KEYS[i], ARGV[6]) end
return 1
