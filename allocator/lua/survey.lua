-- survey: which of these sessions need a look from the monitor. Reads only, except that ids whose
-- session is gone leave asr:sessions.
--
-- asr:session:<id>, asr:worker:<name>:sessions  read       asr:sessions  set
-- ARGV[1…] ids
-- Returns {id, state, epoch, model, claimed?, in place?} of each that is waiting, assigned, or is
-- not where it says it is: not in its worker's set, or not in the queue.
-- #include keys.lua
local found = {}
for _, id in ipairs(ARGV) do
  local now = redis.call('HMGET', session_key(id), 'state', 'worker', 'epoch', 'model', 'claim')
  local state = now[1]
  if not state then
    redis.call('SREM', 'asr:sessions', id)
  else
    local held
    if state == 'waiting' then
      held = redis.call('ZSCORE', waiting_key(now[4] or ''), id)
    else
      held = redis.call('SISMEMBER', worker_sessions_key(now[2] or ''), id) == 1
    end
    if state == 'waiting' or state == 'assigned' or not held then
      found[#found + 1] = {id, state, now[3] or '0', now[4] or '', now[5] and '1' or '0',
        held and '1' or '0'}
    end
  end
end
return found
