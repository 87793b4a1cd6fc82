-- heartbeat: a worker's report. What it says is running is set against what it was assigned.
--
-- asr:worker:<name>           hash  beat, sequence, suspect cleared; starting → idle, → draining
-- asr:worker:<name>:sessions  set   members that use no slot any more leave it; strays enter it
-- asr:session:<id>            hash  running: the epoch under which its worker listed it;
--                                   missing: report in which it was first not listed
-- asr:result:<id>             text  read
-- asr:model:<model>:free      zset  entered or left (slots.lua)
-- ARGV[1] worker  ARGV[2] incarnation  ARGV[3] stream  ARGV[4] sequence
-- ARGV[5] starting, ready or draining  ARGV[6…] id, epoch of each body that runs there
-- Returns {'ok', model, '1' if it is to drain, waiting and free now?, {id, epoch, reason, … to
-- cancel}, {id, epoch, … to fail over}}; or {'unknown'}: register first; or {'superseded'}: a
-- newer stream speaks for this worker; or {'old'}: a later report was there before.
-- #include keys.lua
-- #include slots.lua
local worker = ARGV[1]
local key, set = worker_key(worker), worker_sessions_key(worker)
local was = redis.call('HMGET', key, 'incarnation', 'stream', 'sequence', 'state', 'model')
if not was[1] or was[4] == 'gone' then return {'unknown'} end
if was[1] ~= ARGV[2] or was[2] ~= ARGV[3] then return {'superseded'} end
local sequence = tonumber(ARGV[4])
if sequence <= tonumber(was[3]) then return {'old'} end
redis.call('HSET', key, 'sequence', ARGV[4], 'suspect', '')
redis.call('HINCRBY', key, 'beat', 1)
if ARGV[5] == 'draining' and was[4] ~= 'draining' then
  redis.call('HSET', key, 'state', 'draining')
elseif ARGV[5] == 'ready' and was[4] == 'starting' then
  redis.call('HSET', key, 'state', 'idle')
end

local running, cancel, lost = {}, {}, {}
for i = 6, #ARGV, 2 do
  local id, epoch = ARGV[i], tonumber(ARGV[i + 1])
  running[id] = math.max(running[id] or 0, epoch)
  local session = session_key(id)
  local now = redis.call('HMGET', session, 'epoch', 'worker', 'running', 'state')
  if now[1] and epoch > tonumber(now[1]) then
    -- Redis has lost its last moments; the owner knows better. Epochs never go back.
    redis.call('HSET', session, 'epoch', ARGV[i + 1], 'worker', worker, 'state', 'streaming',
      'claim', '')
    redis.call('ZREM', waiting_key(was[5]), id)
    now[1], now[2] = ARGV[i + 1], worker
  end
  if not now[1] then
    -- Ended. By the body itself, which is about to return? Or by somebody else?
    local result = redis.call('GETRANGE', result_key(id), 0, 100)
    if not string.find(result, '"state":"done"', 1, true) then
      cancel[#cancel + 1] = {id, ARGV[i + 1], 'cancelled'}
    end
  elseif now[1] ~= ARGV[i + 1] or now[2] ~= worker then
    cancel[#cancel + 1] = {id, ARGV[i + 1], 'stale'}
  elseif now[3] ~= now[1] then
    redis.call('HSET', session, 'running', now[1])
  end
  redis.call('SADD', set, id) -- a stray body uses a slot as well
end

for _, id in ipairs(redis.call('SMEMBERS', set)) do
  local session = session_key(id)
  local now = redis.call('HMGET', session, 'worker', 'state', 'epoch', 'running', 'missing',
    'reports')
  if now[1] ~= worker then
    if not running[id] then redis.call('SREM', set, id) end
  elseif running[id] ~= tonumber(now[3]) and now[2] ~= 'assigned' then
    -- Claimed, and not running. A body that was listed before has left without ending its
    -- session: it crashed, or handed it over. One that never was may have claimed after this
    -- report was written: many wait to be read while many sessions begin. The claim says which
    -- report was the last before it; a worker that did not say has until two reports later.
    if now[4] == now[3] then
      lost[#lost + 1] = {id, now[3]}
    elseif now[6] and now[6] ~= '' then
      if sequence > tonumber(now[6]) then lost[#lost + 1] = {id, now[3]} end
    elseif not now[5] then
      redis.call('HSET', session, 'missing', sequence)
    elseif sequence >= tonumber(now[5]) + 2 then
      lost[#lost + 1] = {id, now[3]}
    end
  end
end
refresh(worker)
local serve = redis.call('EXISTS', waiting_key(was[5])) == 1
  and redis.call('EXISTS', free_key(was[5])) == 1
local drain = redis.call('HGET', key, 'state') == 'draining'
return {'ok', was[5], drain and '1' or '0', serve and '1' or '0', cancel, lost}
