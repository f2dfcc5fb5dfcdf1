-- Reads the note about a campaign without state: its keys expired after the close, or it was purged.
--
-- KEYS     over
-- ARGV     campaignId
-- RETURNS  none, alone; or expired | purged, closedAt, nowMs
-- WRITES   nothing
-- COST     O(log campaigns)
local overKey = KEYS[1]
local campaignId = ARGV[1]
--- @include "include/now"

local closedAt = redis.call('ZSCORE', overKey, 'closed:' .. campaignId)
if type(closedAt) ~= 'string' then return { 'none' } end
if type(redis.call('ZSCORE', overKey, 'purged:' .. campaignId)) == 'string' then
  return { 'purged', closedAt, string.format('%.0f', nowMs) }
end
local goneAt = redis.call('ZSCORE', overKey, 'gone:' .. campaignId)
-- Before that instant a state that is missing is lost.
if type(goneAt) ~= 'string' or nowMs < tonumber(goneAt) then return { 'none' } end
return { 'expired', closedAt, string.format('%.0f', nowMs) }
