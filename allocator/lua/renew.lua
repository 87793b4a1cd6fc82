-- renew: the leader's sign of life, or (resigning) its farewell.
--
-- asr:leader:<role>  hash  beat; holder '' when it resigns
-- KEYS[1] it  ARGV[1] me  ARGV[2] term  ARGV[3] '1' to resign
-- Returns 1, or 0 if the office is somebody else's.
local now = redis.call('HMGET', KEYS[1], 'holder', 'term')
if now[1] ~= ARGV[1] or now[2] ~= ARGV[2] then return 0 end
redis.call('HINCRBY', KEYS[1], 'beat', 1)
if ARGV[3] == '1' then redis.call('HSET', KEYS[1], 'holder', '') end
return 1
