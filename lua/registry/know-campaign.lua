-- Says whether a campaign was ever opened under this prefix, and by which mark it is registered.
--
-- KEYS     registry
-- ARGV     campaignId
-- RETURNS  unknown, alone; or known, its mark
-- WRITES   nothing
-- COST     O(1)
local registryKey = KEYS[1]
local campaignId = ARGV[1]
local mark = redis.call('HMGET', registryKey, campaignId)[1]
if type(mark) ~= 'string' then return { 'unknown' } end
return { 'known', mark }
