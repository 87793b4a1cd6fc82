-- claim: the chosen worker's task takes a session it was assigned, before its first effect.
--
-- KEYS[1] asr:session:<id>           hash   state assigned → streaming, claim, reports
-- KEYS[2] asr:session:<id>:snapshot  bytes  read
-- ARGV[1] epoch    of the assignment
-- ARGV[2] claim    a random word of this attempt, so that its retry is told from a second body
-- ARGV[3] reports  the worker's last report before this, or ''; later ones list the session
-- Returns {1, committed, segments, commits, snapshot, tries} or {0, reason}.
local now = redis.call('HMGET', KEYS[1], 'epoch', 'state', 'claim', 'committed', 'segments', 'commits',
  'attempts')
if not now[1] then return {0, 'gone'} end
if now[1] ~= ARGV[1] then return {0, 'stale'} end
if now[2] == 'assigned' then
  redis.call('HSET', KEYS[1], 'state', 'streaming', 'claim', ARGV[2], 'reports', ARGV[3])
elseif now[3] ~= ARGV[2] then
  return {0, 'claimed'}
end
return {1, now[4] or '0', now[5] or '0', now[6] or '0', redis.call('GET', KEYS[2]) or '',
  now[7] or '0'}
