-- look: jobs as they are, and Redis's clock beside them.
--
-- KEYS    asr:job:<id> …
-- Returns {now, {fields…}, …}: flat lists of names and values; empty where there is no such job.
local found = {redis.call('TIME')[1]}
for i, key in ipairs(KEYS) do
  local fields = redis.call('HGETALL', key)
  if #fields > 0 then
    fields[#fields + 1] = 'done'
    fields[#fields + 1] = tostring(redis.call('HLEN', key .. ':heard'))
  end
  found[#found + 1] = fields
end
return found
