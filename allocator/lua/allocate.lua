-- allocate: a gateway asks for a worker for a session that it has opened. Idempotent.
--
-- asr:session:<id>            hash  waiting → assigned: worker, epoch, attempts
-- asr:model:<model>:free      zset  a full worker leaves it (slots.lua)
-- asr:model:<model>:waiting   zset  the session enters it if no worker is free
-- asr:worker:<name>[:sessions]      the session is added, idle → busy
-- asr:model:<model>:traffic   hash  arrivals, once a session
-- ARGV[1] id  ARGV[2] model
-- Returns {'offer', …} to dispatch; {'assigned', worker, epoch} if it has a worker already;
-- {'waiting', place}; or {'gone'}; or {'model', the session's own} if that is another.
-- #include keys.lua
-- #include slots.lua
-- #include assign.lua
local id, model = ARGV[1], ARGV[2]
local now = redis.call('HMGET', session_key(id), 'state', 'worker', 'epoch', 'model', 'priority')
if not now[1] then return {'gone'} end
if now[4] ~= model then return {'model', now[4] or ''} end
if redis.call('HSETNX', session_key(id), 'counted', '1') == 1 then
  redis.call('HINCRBY', traffic_key(model), 'arrivals', 1)
end
if now[1] ~= 'waiting' then return {'assigned', now[2] or '', now[3] or '0'} end
local first = redis.call('ZRANGE', waiting_key(model), 0, 0)[1]
if not first or first == id then
  -- Nobody was here before: those who were are served first, by serve_waiting.
  local worker = choose(model, '')
  if worker then return {'offer', unpack(assign(id, worker))} end
end
enqueue(id, model, now[5], false)
return {'waiting', place(id, model)}
