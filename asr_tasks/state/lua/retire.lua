-- retire (a fragment, included by the scripts that end a session): turn the live keys of a
-- session into its result. keys: session hash, segments, snapshot, result, asr:sessions.
-- The list holds JSON objects already; they are joined as text because cjson would write an
-- empty list as {} and numbers with other digits.
local function retire(keys, id, state, code, message, duration, reason, expiry)
  local segments = redis.call('LRANGE', keys[2], 0, -1)
  local kept = redis.call('HMGET', keys[1], 'model', 'language', 'client', 'tenant', 'task',
    'token', 'token_prev', 'epoch', 'accepted', 'state', 'committed')
  local function text(value) return cjson.encode(tostring(value or '')) end
  redis.call('SET', keys[4], '{"id":' .. text(id)
    .. ',"state":' .. text(state) .. ',"code":' .. text(code) .. ',"message":' .. text(message)
    .. ',"model":' .. text(kept[1]) .. ',"language":' .. text(kept[2])
    .. ',"client":' .. text(kept[3]) .. ',"tenant":' .. text(kept[4]) .. ',"task":' .. text(kept[5])
    .. ',"token":' .. text(kept[6]) .. ',"token_prev":' .. text(kept[7])
    .. ',"epoch":' .. (kept[8] or '0') .. ',"accepted":' .. (kept[9] or '0')
    .. ',"duration":' .. duration .. ',"reason":' .. text(reason)
    .. ',"segments":[' .. table.concat(segments, ',') .. ']}', 'EX', expiry)
  redis.call('DEL', keys[1], keys[2], keys[3])
  local model = kept[1] or ''
  -- Who left before any worker had begun with them says nothing of how long a call keeps its slot.
  local began = kept[10] ~= 'waiting' and kept[10] ~= 'assigned'
  if began or tonumber(kept[11] or '0') > 0 then
    local traffic = 'asr:model:' .. model .. ':traffic'
    redis.call('HINCRBY', traffic, 'ended', 1)
    redis.call('HINCRBYFLOAT', traffic, 'talked', duration)
  end
  redis.call('SREM', keys[5], id)
  return #segments
end
