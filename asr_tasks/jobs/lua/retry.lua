-- retry: failed or cancelled → queued. What was heard stays; pieces may be tried anew.
--
-- KEYS[1] asr:job:<id>, KEYS[2] …:pieces, KEYS[3] …:heard, KEYS[4] …:tries, KEYS[5] …:transcript,
-- KEYS[6] asr:jobs:live
-- ARGV[1] id
-- Returns 1 if it is queued again.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'failed' and state ~= 'cancelled' then return 0 end
redis.call('HSET', KEYS[1], 'state', 'queued')
redis.call('HDEL', KEYS[1], 'code', 'message', 'ended', 'begun')
redis.call('HINCRBY', KEYS[1], 'attempt', 1)
redis.call('HINCRBY', KEYS[1], 'serial', 1)
redis.call('DEL', KEYS[4])
for i = 1, 3 do redis.call('PERSIST', KEYS[i]) end
redis.call('SADD', KEYS[6], ARGV[1])
return 1
