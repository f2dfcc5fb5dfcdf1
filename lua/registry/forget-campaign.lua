-- Strikes a campaign off the registry, after its keys are gone.
--
-- KEYS     campaigns
-- ARGV     campaignId
-- RETURNS  done, alone
-- WRITES   campaigns
-- COST     O(1)
local campaignsKey = KEYS[1]
local campaignId = ARGV[1]
redis.call('SREM', campaignsKey, campaignId)
return { 'done' }
