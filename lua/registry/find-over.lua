-- Reads the note about a campaign without state: its keys expired after the close, or it was purged.
--
-- KEYS     over
-- ARGV     campaignId
-- RETURNS  none | expired | purged, closedAt (empty where nothing was noted), exactNow
-- WRITES   nothing
-- COST     O(log campaigns)
local overKey = KEYS[1]
local campaignId = ARGV[1]
--- @include "include/now"

local function noted(kind)
  local score = redis.call('ZSCORE', overKey, kind .. ':' .. campaignId)
  return type(score) == 'string' and score or nil
end
local closedAt, goneAt = noted('closed'), noted('gone')
local word = 'none'
if closedAt and noted('purged') then
  word = 'purged'
-- Before that instant a state that is missing is lost.
elseif closedAt and goneAt and nowMs >= tonumber(goneAt) then
  word = 'expired'
end
return { word, closedAt or '', exactNow() }
