-- cordon: a worker gets no new session, and keeps those it has; or that is taken back.
--
-- asr:worker:<name>       hash  cordoned
-- asr:model:<model>:free  zset  left or entered (slots.lua)
-- ARGV[1] worker  ARGV[2] '1' or ''
-- ARGV[3] asr:leader:<role> or ''  ARGV[4] term
-- Returns 1 if that was changed, 0 if it was so or there is no such worker; {'leader'}: a newer one
-- leads.
-- #include keys.lua
-- #include leads.lua
-- #include slots.lua
if not leads(ARGV[3], ARGV[4]) then return {'leader'} end
local was = redis.call('HMGET', worker_key(ARGV[1]), 'state', 'cordoned')
if not was[1] or was[1] == 'gone' or (was[2] or '') == ARGV[2] then return 0 end
redis.call('HSET', worker_key(ARGV[1]), 'cordoned', ARGV[2])
refresh(ARGV[1])
return 1
