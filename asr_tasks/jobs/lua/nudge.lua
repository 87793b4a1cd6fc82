-- nudge: the right to begin a job again that has stood still; only one caretaker gets it.
--
-- KEYS[1] asr:job:<id>
-- ARGV[1] serial that was seen
-- Returns 1 if nothing has happened to the job since.
if redis.call('HGET', KEYS[1], 'serial') ~= ARGV[1] then return 0 end
redis.call('HINCRBY', KEYS[1], 'serial', 1)
return 1
