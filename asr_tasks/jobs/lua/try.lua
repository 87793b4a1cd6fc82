-- try: somebody begins with these pieces; counted, so that what kills its worker is found.
--
-- KEYS[1] asr:job:<id>, KEYS[2] …:tries
-- ARGV[1] what: a piece's index, or 'first-last' of several
-- Returns the number of tries, this one too; 0: the job is over.
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
return redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
