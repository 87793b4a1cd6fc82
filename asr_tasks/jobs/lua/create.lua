-- create: keep a new job; the same id again changes nothing.
--
-- KEYS[1] asr:job:<id>, KEYS[2] asr:jobs, KEYS[3] asr:jobs:live, KEYS[4] asr:jobs:order
-- ARGV[1] id, ARGV[2] request (JSON)
-- Returns 1 if it is new.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'request', ARGV[2], 'state', 'queued', 'attempt', 1, 'serial', 1,
  'created', redis.call('TIME')[1])
redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[4]), ARGV[1])
redis.call('SADD', KEYS[3], ARGV[1])
return 1
