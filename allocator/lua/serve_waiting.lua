-- serve_waiting: the first of a model's waiting sessions gets a free slot. Called until it
-- answers {}; servers and the monitor may call it at the same time.
--
-- Keys as in allocate.lua.
-- ARGV[1] model  ARGV[2] asr:leader:<role> or ''  ARGV[3] term
-- Returns {'offer', …} to dispatch; {} if nobody waits or nothing is free; {'leader'}.
-- #include keys.lua
-- #include leads.lua
-- #include slots.lua
-- #include assign.lua
local model = ARGV[1]
if not leads(ARGV[2], ARGV[3]) then return {'leader'} end
local worker = choose(model, '')
if not worker then return {} end
while true do
  local id = redis.call('ZRANGE', waiting_key(model), 0, 0)[1]
  if not id then return {} end
  if redis.call('HGET', session_key(id), 'state') == 'waiting' then
    return {'offer', unpack(assign(id, worker))}
  end
  redis.call('ZREM', waiting_key(model), id) -- it ended while it waited
end
