-- Reads the settings of the server that holds a campaign. INFO, because services often forbid CONFIG; the key says
-- which node of a Cluster is asked.
--
-- KEYS     campaign
-- ARGV     none
-- RETURNS  ok, maxmemory-policy, role; empty where the server does not say
-- WRITES   nothing
-- COST     O(1)
local campaignKey = KEYS[1]
local function say(section, pattern)
  local info = redis.call('INFO', section)
  return type(info) == 'string' and string.match(info, pattern) or ''
end
return { 'ok', say('memory', 'maxmemory_policy:([%w-]+)'), say('replication', 'role:(%w+)') }
