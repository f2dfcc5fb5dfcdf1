-- Announces coupons that are about to be revoked in the database: whatever becomes of the caller, a worker finds them
-- and takes their units back. An announcement of a later version of the row replaces the earlier one; a copy, or one of
-- an earlier version, changes nothing. A rebuild keeps them.
--
-- KEYS     campaign
-- ARGV     epoch, then for each coupon: id version serial userId
-- RETURNS  missing | stale_epoch, alone; or announced
-- WRITES   campaign
-- COST     O(coupons)
local campaignKey = KEYS[1]
local epoch = ARGV[1]
local FIRST, STRIDE = 2, 4
--- @include "include/now"
--- @include "include/epoch"
--- @include "include/announced"

local refusal = mismatch(epoch)
if refusal then return { refusal } end

local due = integer(nowMs + campaign.leaseMs)
for i = FIRST, #ARGV, STRIDE do
  local id, version, serial, userId = unpack(ARGV, i, i + STRIDE - 1)
  if tonumber(version) > announcedVersion(id) then
    local text = version .. ':' .. due .. ':' .. serial .. ':' .. userId
    campaign.revoking = (campaign.revoking or 0) + redis.call('HSET', campaignKey, ANNOUNCED .. id, text)
  end
end
saveCounters()
return { 'announced' }
