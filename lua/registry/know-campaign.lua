-- Says whether a campaign was ever opened under this prefix.
--
-- KEYS     campaigns
-- ARGV     campaignId
-- RETURNS  known | unknown, alone
-- WRITES   nothing
-- COST     O(1)
local campaignsKey = KEYS[1]
local campaignId = ARGV[1]
return { redis.call('SISMEMBER', campaignsKey, campaignId) == 1 and 'known' or 'unknown' }
