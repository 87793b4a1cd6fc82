-- declare_gone: a worker left, died or hangs. Its slots are gone at once; its sessions are
-- answered, and each is failed over by a call of its own.
--
-- asr:worker:<name>           hash  any state → gone
-- asr:worker:<name>:sessions  set   what is not its own leaves it
-- asr:model:<model>:free      zset  left
-- ARGV[1] worker
-- ARGV[2] field, ARGV[3] value: only if the worker's hash still says so (suspect, beat, stream)
-- ARGV[4] asr:leader:<role> or ''  ARGV[5] term
-- Returns {'gone', {id, epoch, …}}, also if it was gone already; {'alive'}; {'leader'}.
-- crash here: the monitor finds a gone worker that still has sessions, and goes on.
-- #include keys.lua
-- #include leads.lua
-- #include slots.lua
local worker = ARGV[1]
local key, set = worker_key(worker), worker_sessions_key(worker)
if not leads(ARGV[4], ARGV[5]) then return {'leader'} end
local was = redis.call('HMGET', key, 'state', ARGV[2])
if was[1] and was[1] ~= 'gone' and was[2] ~= ARGV[3] then return {'alive'} end
if was[1] then redis.call('HSET', key, 'state', 'gone') end
local lost = {}
for _, id in ipairs(redis.call('SMEMBERS', set)) do
  local now = redis.call('HMGET', session_key(id), 'worker', 'epoch')
  if now[1] == worker then
    lost[#lost + 1] = id
    lost[#lost + 1] = now[2]
  else
    redis.call('SREM', set, id)
  end
end
refresh(worker)
return {'gone', lost}
