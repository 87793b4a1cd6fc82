-- leads (a fragment): whether the caller may act as the leader. key: asr:leader:<role>.
-- An empty key: the caller is a server answering one request, which needs no leadership.
local function leads(key, term)
  return key == '' or redis.call('HGET', key, 'term') == term
end
