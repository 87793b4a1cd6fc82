-- keys (a fragment): names of keys that a script can only know once it has read others.
-- asr_tasks/contracts/names.py is their definition and says what they hold; a test compares.
-- Because keys are derived here, one Redis (with replicas) holds them all, not a Redis Cluster.
local function session_key(id) return 'asr:session:' .. id end
local function segments_key(id) return 'asr:session:' .. id .. ':segments' end
local function snapshot_key(id) return 'asr:session:' .. id .. ':snapshot' end
local function result_key(id) return 'asr:result:' .. id end
local function worker_key(worker) return 'asr:worker:' .. worker end
local function worker_sessions_key(worker) return 'asr:worker:' .. worker .. ':sessions' end
local function free_key(model) return 'asr:model:' .. model .. ':free' end
local function traffic_key(model) return 'asr:model:' .. model .. ':traffic' end
local function waiting_key(model) return 'asr:model:' .. model .. ':waiting' end
