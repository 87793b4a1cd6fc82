-- owns (a fragment): may this body write to the session? {1}, or why not: 'gone'; 'stale', another
-- body has it; 'lost', Redis came back without its last moments and knows an older epoch: the next
-- report of the worker puts that right (heartbeat.lua), so the same is to be tried again.
local function owns(key, epoch, claim, worker)
  local now = redis.call('HMGET', key, 'epoch', 'claim', 'state', 'worker')
  if not now[1] then return {0, 'gone'} end
  if tonumber(now[1]) < tonumber(epoch) then return {0, 'lost'} end
  if now[1] ~= epoch then return {0, 'stale'} end
  -- A session that waits for another worker has its loser's epoch until it gets one.
  if now[4] ~= worker then return {0, 'stale'} end
  if now[2] == claim then return {1} end
  -- The claim itself was lost: the session is still, or again, just assigned to this worker.
  if now[3] == 'assigned' or now[2] == '' then
    redis.call('HSET', key, 'state', 'streaming', 'claim', claim)
    return {1}
  end
  return {0, 'stale'}
end
