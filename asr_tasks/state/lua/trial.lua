-- trial: the owner says whether it is at work on the audio of a session that is on trial.
--
-- KEYS[1] asr:session:<id>  hash  trial: the epoch under which its worker is at work on it
-- ARGV[1] epoch    of the owner; a stale one changes nothing
-- ARGV[2] at_work  '1' or '0'
-- Returns {1} or {0, reason}.
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then return {0, 'gone'} end
if tonumber(epoch) < tonumber(ARGV[1]) then return {0, 'lost'} end
if epoch ~= ARGV[1] then return {0, 'stale'} end
if ARGV[2] == '1' then
  redis.call('HSET', KEYS[1], 'trial', epoch)
else
  redis.call('HDEL', KEYS[1], 'trial')
end
return {1}
