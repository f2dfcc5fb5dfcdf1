-- Forgets that an earlier campaign of this id is over, before another one serves, and remembers when: a note of before
-- that arrives later is refused.
--
-- KEYS     over
-- ARGV     campaignId
-- RETURNS  done, alone
-- WRITES   over
-- COST     O(log campaigns)
local overKey = KEYS[1]
local campaignId = ARGV[1]
local KEPT = 20000
--- @include "include/now"

redis.call('ZREM', overKey, 'gone:' .. campaignId, 'purged:' .. campaignId)
-- One more, because a note of this very millisecond is of before.
redis.call('ZADD', overKey, string.format('%.0f', nowMs + 1), 'closed:' .. campaignId)
redis.call('ZREMRANGEBYRANK', overKey, 0, -KEPT - 1)
return { 'done' }
