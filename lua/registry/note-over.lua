-- Remembers that a campaign was closed and when its keys expire, or that it was purged, for the newest of them. A late
-- copy is refused, because another campaign may have this id by then.
--
-- KEYS     over
-- ARGV     campaignId closedAt goneAt sentAt; goneAt is empty after a purge; sentAt is the clock of Redis when the
--          campaign was closed or purged
-- RETURNS  noted | late, alone
-- WRITES   over
-- COST     O(log campaigns)
local overKey = KEYS[1]
local campaignId, closedAt, goneAt, sentAt = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local LATE = 60000
local KEPT = 20000
--- @include "include/now"

-- Something was noted or dropped since. An instant ahead is of a clock that was set right since: its order is not
-- known, and a campaign that is over has to be noted.
local function isOlderThan(kind)
  local score = redis.call('ZSCORE', overKey, kind .. ':' .. campaignId)
  return type(score) == 'string' and sentAt < tonumber(score) and tonumber(score) <= nowMicros / 1000
end
if nowMs - sentAt > LATE or isOlderThan('closed') or isOlderThan('purged') then return { 'late' } end
local purged = goneAt == ''
redis.call('ZREM', overKey, (purged and 'gone:' or 'purged:') .. campaignId)
redis.call('ZADD', overKey, closedAt, 'closed:' .. campaignId)
redis.call('ZADD', overKey, purged and ARGV[4] or goneAt, (purged and 'purged:' or 'gone:') .. campaignId)
redis.call('ZREMRANGEBYRANK', overKey, 0, -KEPT - 1)
return { 'noted' }
