-- open: a gateway creates a session.
--
-- KEYS[1] asr:session:<id>  hash   created, state waiting
-- KEYS[2] asr:result:<id>   text   read: an id is not used again while its result is kept
-- KEYS[3] asr:sessions      set    the id joins it
-- ARGV[1] id  ARGV[2] sha256 of its token  ARGV[3…] field, value, … of the hash
-- Returns {1} or {0, reason}.
-- The same call again, after a lost answer, finds its own token: each is drawn for one opening.
if redis.call('HGET', KEYS[1], 'token') == ARGV[2] then return {1} end
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then return {0, 'exists'} end
redis.call('HSET', KEYS[1], 'state', 'waiting', 'epoch', 0, 'attempts', 0, 'committed', 0,
  'segments', 0, 'commits', 0, 'accepted', 0, 'gateway_epoch', 1, 'token', ARGV[2],
  unpack(ARGV, 3))
redis.call('SADD', KEYS[3], ARGV[1])
return {1}
