-- fail_over: a session loses its worker and gets another one, or waits before all newcomers of
-- its priority, or is given up. Bound to the epoch that was lost: a second call does nothing.
--
-- asr:session:<id>            hash  assigned, streaming, finishing → assigned | waiting | failed
-- asr:worker:<name>:sessions  set   of the loser: the session leaves it
-- asr:result:<id>             text  if it is given up (retire.lua)
-- and the keys of allocate.lua
-- ARGV[1] id  ARGV[2] epoch that was lost  ARGV[3] tries since the last commit before it is given up
--   A session on trial (asr_tasks/streaming/trial.py) loses a try only if its worker died at work on
--   it; four times as many losses end it all the same.
-- ARGV[4] seconds the result stays  ARGV[5] message if given up
-- ARGV[6] tries from which on it is on trial  ARGV[7] asr:leader:<role> or ''  ARGV[8] term
-- Returns {'offer', …} to dispatch; {'waiting', place}; {'failed'}; {'none'} if there is nothing
-- to do; {'leader'}.
-- #include keys.lua
-- #include leads.lua
-- #include slots.lua
-- #include assign.lua
-- #include retire.lua

-- blame(now, tries): count the loss; whether the session is to be given up.
local function blame(now, tries)
  local attempts, losses = tonumber(now[6] or '0'), tonumber(now[9] or '0') + 1
  redis.call('HSET', session_key(ARGV[1]), 'losses', losses)
  if losses >= 4 * tries then return true end
  if attempts >= tonumber(ARGV[6]) and now[8] ~= now[2] then
    redis.call('HINCRBY', session_key(ARGV[1]), 'attempts', -1)
    return false
  end
  return attempts >= tries
end

local id = ARGV[1]
if not leads(ARGV[7], ARGV[8]) then return {'leader'} end
local key = session_key(id)
local now = redis.call('HMGET', key, 'state', 'epoch', 'worker', 'model', 'priority', 'attempts',
  'committed', 'trial', 'losses')
local state, model = now[1], now[4]
if now[2] ~= ARGV[2] then return {'none'} end
if state ~= 'assigned' and state ~= 'streaming' and state ~= 'finishing' then return {'none'} end
release(now[3], id)
if state == 'assigned' then
  -- Nobody has read its audio, so it is not to blame: the wait limit bounds these tries.
  redis.call('HINCRBY', key, 'attempts', -1)
elseif blame(now, tonumber(ARGV[3])) then
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
