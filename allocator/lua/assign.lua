-- assign (a fragment; needs keys.lua, slots.lua): bind sessions to workers, or queue them.

-- choose(model, avoid): the free worker with the lowest ordinal, so that a StatefulSet empties
-- from its top; `avoid` only when there is no other. False if none is free.
local function choose(model, avoid)
  local free = redis.call('ZRANGE', free_key(model), 0, 1)
  if free[1] == avoid and free[2] then return free[2] end
  return free[1] or false
end

-- assign(id, worker): a new epoch, under which nobody else may write. The answer is what the
-- caller has to send to the worker: crash before it does, and the monitor finds the session
-- unclaimed and assigns it again.
local function assign(id, worker)
  local key = session_key(id)
  local epoch = redis.call('HINCRBY', key, 'epoch', 1)
  redis.call('HINCRBY', key, 'attempts', 1)
  redis.call('HSET', key, 'state', 'assigned', 'worker', worker)
  redis.call('HDEL', key, 'running', 'missing', 'reports', 'trial')
  local now = redis.call('HMGET', key, 'model', 'task', 'language', 'client', 'options', 'traceparent')
  redis.call('ZREM', waiting_key(now[1]), id)
  redis.call('SADD', worker_sessions_key(worker), id)
  refresh(worker)
  return {id, worker, tostring(epoch), now[1], now[2] or '', now[3] or '', now[4] or '',
    now[5] or '', now[6] or ''}
end

-- enqueue(id, model, priority, front): wait for a slot, by priority and then arrival; a session
-- that has lost its worker goes before those of its priority that never had one.
local CLASS, FRONT = 1099511627776, 549755813888 -- 2^40 arrivals a priority; half of them
local function enqueue(id, model, priority, front)
  local order = redis.call('INCR', 'asr:arrivals') - (tonumber(priority) or 0) * CLASS
  if front then order = order - FRONT end
  if redis.call('ZADD', waiting_key(model), 'NX', string.format('%.0f', order), id) == 1 then
    redis.call('HSET', session_key(id), 'state', 'waiting', 'worker', '')
    redis.call('PUBLISH', 'asr:waiting', model)
  end
end

-- place(id, model): its place in the queue, from 1.
local function place(id, model)
  return tostring((redis.call('ZRANK', waiting_key(model), id) or -1) + 1)
end
