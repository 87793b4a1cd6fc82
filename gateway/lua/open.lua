-- open: a gateway creates a session.
--
-- KEYS[1] asr:session:<id>  hash   created, state waiting
-- KEYS[2] asr:result:<id>   text   read: an id is not used again while its result is kept
-- KEYS[3] asr:sessions      set    the id joins it
-- ARGV[1] id  ARGV[2…] field, value, … of the hash
-- Returns {1} or {0, reason}.
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then return {0, 'exists'} end
redis.call('HSET', KEYS[1], 'state', 'waiting', 'epoch', 0, 'attempts', 0, 'committed', 0,
  'segments', 0, 'commits', 0, 'accepted', 0, 'gateway_epoch', 1, unpack(ARGV, 2))
redis.call('SADD', KEYS[3], ARGV[1])
return {1}
