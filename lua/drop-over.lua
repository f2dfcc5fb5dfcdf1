-- Forgets that an earlier campaign of this id is over, before another one serves.
--
-- KEYS     over
-- ARGV     campaignId
-- RETURNS  done, alone
-- WRITES   over
-- COST     O(log campaigns)
local overKey = KEYS[1]
local campaignId = ARGV[1]
redis.call('ZREM', overKey, 'closed:' .. campaignId, 'gone:' .. campaignId, 'purged:' .. campaignId)
return { 'done' }
