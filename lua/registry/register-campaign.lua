-- Remembers that a campaign exists, before it is written: its missing state is then not_ready, never unknown.
--
-- KEYS     campaigns
-- ARGV     campaignId
-- RETURNS  done, alone
-- WRITES   campaigns
-- COST     O(1)
local campaignsKey = KEYS[1]
local campaignId = ARGV[1]
redis.call('SADD', campaignsKey, campaignId)
return { 'done' }
