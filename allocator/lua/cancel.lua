-- cancel: a session is ended from outside, whatever it is doing. Its worker's next report is
-- answered with a Cancel; the slot is free once it does not list it any more.
--
-- asr:session:<id>           hash  any live state → failed (retire.lua)
-- asr:model:<model>:waiting  zset  left
-- asr:result:<id>            text  written
-- ARGV[1] id  ARGV[2] code  ARGV[3] message  ARGV[4] seconds the result stays
-- ARGV[5] gateway_epoch of the caller, or '0': refused if a newer gateway owns the session
-- ARGV[6] epoch, or '': only if the session is still unclaimed in that epoch (the wait limit)
-- ARGV[7] asr:leader:<role> or ''  ARGV[8] term
-- Returns {'ended', worker}; {'gone'}; {'superseded'}; {'none'}; {'leader'}.
-- #include keys.lua
-- #include leads.lua
-- #include retire.lua
local id = ARGV[1]
if not leads(ARGV[7], ARGV[8]) then return {'leader'} end
local now = redis.call('HMGET', session_key(id), 'state', 'epoch', 'model', 'worker', 'committed',
  'gateway_epoch')
if not now[1] then return {'gone'} end
if ARGV[5] ~= '0' and now[6] and now[6] ~= ARGV[5] then return {'superseded'} end
if ARGV[6] ~= '' then
  if now[2] ~= ARGV[6] or (now[1] ~= 'waiting' and now[1] ~= 'assigned') then return {'none'} end
end
redis.call('ZREM', waiting_key(now[3] or ''), id)
retire({session_key(id), segments_key(id), snapshot_key(id), result_key(id), 'asr:sessions'},
  id, 'failed', ARGV[2], ARGV[3], string.format('%.3f', tonumber(now[5] or '0') / 16000), '', ARGV[4])
return {'ended', now[4] or ''}
