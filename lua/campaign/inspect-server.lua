-- Reads the settings of the server that holds a campaign. INFO, because services often forbid CONFIG; the key says
-- which node of a Cluster is asked.
--
-- KEYS     campaign
-- ARGV     none
-- RETURNS  ok, maxmemory-policy, role, version, whether it keeps an append-only file, its run id, nowMs; all but the
--          last are empty where the server does not say
-- WRITES   nothing
-- COST     O(1)
local campaignKey = KEYS[1]
--- @include "include/now"
local function say(section, pattern)
  local info = redis.call('INFO', section)
  return type(info) == 'string' and string.match(info, pattern) or ''
end
local policy, role = say('memory', 'maxmemory_policy:([%w-]+)'), say('replication', 'role:(%w+)')
local version, run = say('server', 'redis_version:([%d.]+)'), say('server', 'run_id:(%w+)')
return { 'ok', policy, role, version, say('persistence', 'aof_enabled:(%d)'), run, string.format('%.0f', nowMs) }
