-- Makes a campaign serve. It names the epoch, so it can only mean the state whose database was looked at.
--
-- KEYS     campaign
-- ARGV     epoch
-- RETURNS  active | stale_epoch | missing | rebuilding, alone
-- WRITES   campaign
-- COST     O(1)
local campaignKey = KEYS[1]
local epoch = ARGV[1]

local known = redis.call('HMGET', campaignKey, 'epoch', 'building')
if type(known[1]) ~= 'string' then return { 'missing' } end
if known[1] ~= epoch then return { 'stale_epoch' } end
-- It was looked at as a new one, and is none.
if type(known[2]) == 'string' then return { 'rebuilding' } end
redis.call('HSET', campaignKey, 'verified', '1')
return { 'active' }
