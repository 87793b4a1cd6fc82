-- register: a worker process announces itself, or comes back on a new stream.
--
-- asr:worker:<name>           hash  written; a new boot, or one that was declared gone, is starting
-- asr:worker:<name>:sessions  set   read
-- asr:workers, asr:models     sets  added to
-- asr:model:<model>:free      zset  entered or left (slots.lua)
-- ARGV[1] worker  ARGV[2] model  ARGV[3] incarnation  ARGV[4] stream (random, one per stream)
-- ARGV[5] slots  ARGV[6] host  ARGV[7] ordinal
-- Returns the sessions that the boot before this one owned, {id, epoch, id, epoch, …}: they are
-- to be failed over. Crash before that: heartbeat or the ready deadline finds them.
-- #include keys.lua
-- #include slots.lua
local worker, model = ARGV[1], ARGV[2]
local key = worker_key(worker)
local was = redis.call('HMGET', key, 'incarnation', 'state', 'model')
local known = was[1] == ARGV[3] and was[2] ~= 'gone'
if was[3] and was[3] ~= model then redis.call('ZREM', free_key(was[3]), worker) end
redis.call('SADD', 'asr:workers', worker)
redis.call('SADD', 'asr:models', model)
redis.call('HSET', key, 'model', model, 'incarnation', ARGV[3], 'stream', ARGV[4], 'slots', ARGV[5],
  'host', ARGV[6], 'ordinal', ARGV[7], 'suspect', '')
redis.call('HINCRBY', key, 'beat', 1)
-- A cordon is for the process that was there; whoever still wants it gives the new one its own.
if not known then redis.call('HSET', key, 'state', 'starting', 'cordoned', '') end
if was[1] ~= ARGV[3] then redis.call('HSET', key, 'sequence', '0') end
local lost = {}
if was[1] and was[1] ~= ARGV[3] then
  for _, id in ipairs(redis.call('SMEMBERS', worker_sessions_key(worker))) do
    local now = redis.call('HMGET', session_key(id), 'worker', 'epoch')
    if now[1] == worker then
      lost[#lost + 1] = id
      lost[#lost + 1] = now[2]
    else
      redis.call('SREM', worker_sessions_key(worker), id)
    end
  end
end
refresh(worker)
return lost
