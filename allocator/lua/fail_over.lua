-- fail_over: a session loses its worker and gets another one, or waits before all newcomers of
-- its priority, or is given up. Bound to the epoch that was lost: a second call does nothing.
--
-- asr:session:<id>            hash  assigned, streaming, finishing → assigned | waiting | failed
-- asr:worker:<name>:sessions  set   of the loser: the session leaves it
-- asr:result:<id>             text  if it is given up (retire.lua)
-- and the keys of allocate.lua
-- ARGV[1] id  ARGV[2] epoch that was lost  ARGV[3] tries since the last commit before it is given up
-- ARGV[4] seconds the result stays  ARGV[5] message if given up
-- ARGV[6] asr:leader:<role> or ''  ARGV[7] term
-- Returns {'offer', …} to dispatch; {'waiting', place}; {'failed'}; {'none'} if there is nothing
-- to do; {'leader'}.
-- #include keys.lua
-- #include leads.lua
-- #include slots.lua
-- #include assign.lua
-- #include retire.lua
local id = ARGV[1]
if not leads(ARGV[6], ARGV[7]) then return {'leader'} end
local key = session_key(id)
local now = redis.call('HMGET', key, 'state', 'epoch', 'worker', 'model', 'priority', 'attempts',
  'committed')
local state, model = now[1], now[4]
if now[2] ~= ARGV[2] then return {'none'} end
if state ~= 'assigned' and state ~= 'streaming' and state ~= 'finishing' then return {'none'} end
release(now[3], id)
if state == 'assigned' then
  -- Nobody has read its audio, so it is not to blame: the wait limit bounds these tries.
  redis.call('HINCRBY', key, 'attempts', -1)
elseif tonumber(now[6] or '0') >= tonumber(ARGV[3]) then
  local read = string.format('%.3f', tonumber(now[7] or '0') / 16000)
  retire({key, segments_key(id), snapshot_key(id), result_key(id), 'asr:sessions'},
    id, 'failed', 'recogniser_failed', ARGV[5], read, '', ARGV[4])
  return {'failed'}
end
enqueue(id, model, now[5], true)
if place(id, model) == '1' then
  local worker = choose(model, now[3])
  if worker then return {'offer', unpack(assign(id, worker))} end
end
return {'waiting', place(id, model)}
