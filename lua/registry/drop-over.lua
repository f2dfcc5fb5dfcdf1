-- Forgets that an earlier campaign of this id is over, before another one serves, and remembers when: a note of before
-- that arrives later is refused. It names what was noted. Another note may be of the campaign that came since.
--
-- KEYS     over
-- ARGV     campaignId closedAt; closedAt is as find-over told it
-- RETURNS  done | late, alone
-- WRITES   over
-- COST     O(log campaigns)
local overKey = KEYS[1]
local campaignId, closedAt = ARGV[1], ARGV[2]
local KEPT = 20000
--- @include "include/now"

local score = redis.call('ZSCORE', overKey, 'closed:' .. campaignId)
if (type(score) == 'string' and score or '') ~= closedAt then return { 'late' } end
redis.call('ZREM', overKey, 'gone:' .. campaignId, 'purged:' .. campaignId)
redis.call('ZADD', overKey, exactNow(), 'closed:' .. campaignId)
redis.call('ZREMRANGEBYRANK', overKey, 0, -KEPT - 1)
return { 'done' }
