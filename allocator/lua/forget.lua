-- forget: nothing is left of a gone worker; the record goes too.
--
-- asr:worker:<name>  hash  deleted        asr:workers  set  left
-- ARGV[1] worker  ARGV[2] asr:leader:<role> or ''  ARGV[3] term
-- Returns 1 or 0 (it came back, or still has sessions).
-- #include keys.lua
-- #include leads.lua
local worker = ARGV[1]
if not leads(ARGV[2], ARGV[3]) then return 0 end
local state = redis.call('HGET', worker_key(worker), 'state')
if state and state ~= 'gone' then return 0 end
if redis.call('EXISTS', worker_sessions_key(worker)) == 1 then return 0 end
redis.call('DEL', worker_key(worker))
redis.call('SREM', 'asr:workers', worker)
return 1
