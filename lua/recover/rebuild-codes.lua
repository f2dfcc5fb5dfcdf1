-- Loads one chunk of the codes that a rebuild was given, first into the serials that nobody has. It keeps no progress:
-- the next run makes the pool anew, from a list of its own.
--
-- KEYS     campaign returned pool codes
-- ARGV     epoch fence, then for each code: code
-- RETURNS  missing | stale_epoch | rolled_back, alone; or ok, the campaign's stamp
-- WRITES   campaign codes pool returned
-- COST     O(codes)
local campaignKey, returnedKey, poolKey, codesKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, fence = ARGV[1], tonumber(ARGV[2])
local FIRST = 3
--- @include "include/epoch"
--- @include "include/stamp"
--- @include "include/new-codes"

local refusal = mismatch(epoch, fence) or (not campaign.building and 'stale_epoch')
if refusal then return { refusal } end
if redis.call('SCARD', codesKey) ~= campaign.codes then return { 'missing' } end

local vacant = redis.call('LRANGE', returnedKey, 0, integer(#ARGV - FIRST))
-- A key of the wrong type refuses here, before the first write.
redis.call('LLEN', poolKey)
local fresh, units = newCodes(FIRST, vacant)
if #fresh > 0 then
  local filled = math.min(#fresh, #vacant)
  campaign.returned = campaign.returned - filled
  campaign.stamp = nextStamp()
  redis.call('HSET', campaignKey, 'phase', 'codes')
  redis.call('LTRIM', returnedKey, filled, -1)
  addCodes(fresh, units)
end
return { 'ok', integer(campaign.stamp) }
