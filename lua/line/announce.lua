-- Tells all listeners of a campaign, in any process, to look. The channel is named like the key of the campaign.
--
-- KEYS     campaign
-- ARGV     news
-- RETURNS  told, alone
-- WRITES   nothing
-- COST     O(listening processes)
local campaignKey = KEYS[1]
local news = ARGV[1]
redis.call('PUBLISH', campaignKey, news)
return { 'told' }
