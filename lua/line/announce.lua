-- Tells whoever listens to a campaign, in any process, what there is to look at. The channel is named like the key of the campaign.
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
