-- campaign: take an office whose holder has shown no sign of life, or that is vacant.
--
-- asr:leader:<role>  hash  holder, term, beat; the term only ever rises
-- KEYS[1] it  ARGV[1] me  ARGV[2] term, ARGV[3] beat as the observer last saw them ('' if none)
-- Returns the new term, or 0 if the record has moved since.
local now = redis.call('HMGET', KEYS[1], 'holder', 'term', 'beat')
if (now[2] or '') ~= ARGV[2] or (now[3] or '') ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'beat', '0')
return redis.call('HINCRBY', KEYS[1], 'term', 1)
