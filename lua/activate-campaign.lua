-- Makes a campaign serve. It names the epoch, so it can only mean the state whose database was looked at.
--
-- KEYS     campaign
-- ARGV     epoch
-- RETURNS  active | stale_epoch | missing, alone
-- WRITES   campaign
-- COST     O(1)
local campaignKey = KEYS[1]
local epoch = ARGV[1]

local known = redis.call('HMGET', campaignKey, 'epoch')[1]
if type(known) ~= 'string' then return { 'missing' } end
if known ~= epoch then return { 'stale_epoch' } end
redis.call('HSET', campaignKey, 'verified', '1')
return { 'active' }
