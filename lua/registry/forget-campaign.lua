-- Strikes a campaign off the registry, after its keys are gone: the registration that was known before that. One that
-- was registered since has another mark, and stays.
--
-- KEYS     registry
-- ARGV     campaignId mark
-- RETURNS  done | late, alone
-- WRITES   registry
-- COST     O(1)
local registryKey = KEYS[1]
local campaignId, mark = ARGV[1], ARGV[2]
if redis.call('HMGET', registryKey, campaignId)[1] ~= mark then return { 'late' } end
redis.call('HDEL', registryKey, campaignId)
return { 'done' }
