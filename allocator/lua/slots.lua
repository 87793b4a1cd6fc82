-- slots (a fragment; needs keys.lua): a worker's state and its place among the free ones, derived
-- from the set of its sessions each time that set, the state or the suspicion has changed.
local function refresh(worker)
  local key = worker_key(worker)
  local now = redis.call('HMGET', key, 'model', 'state', 'slots', 'ordinal', 'suspect', 'cordoned')
  if not now[1] then return end
  local state, used = now[2], redis.call('SCARD', worker_sessions_key(worker))
  local ready = state == 'idle' or state == 'busy'
  if ready then
    state = used == 0 and 'idle' or 'busy'
    if state ~= now[2] then redis.call('HSET', key, 'state', state) end
  end
  if ready and now[5] == '' and now[6] ~= '1' and used < tonumber(now[3]) then
    if redis.call('ZADD', free_key(now[1]), now[4], worker) == 1 then
      redis.call('PUBLISH', 'asr:waiting', now[1])
    end
  else
    redis.call('ZREM', free_key(now[1]), worker)
  end
end

-- release(worker, id): the session does not use a slot of the worker any more.
local function release(worker, id)
  if redis.call('SREM', worker_sessions_key(worker), id) == 1 then refresh(worker) end
end
