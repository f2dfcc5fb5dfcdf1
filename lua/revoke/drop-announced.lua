-- Drops announcements whose coupons turned out not to be revoked: no change of this version or an earlier one is made any
-- more. One of a later version stays.
--
-- KEYS     campaign
-- ARGV     epoch, then for each coupon: id version
-- RETURNS  missing | stale_epoch, alone; or dropped
-- WRITES   campaign
-- COST     O(coupons)
local campaignKey = KEYS[1]
local epoch = ARGV[1]
local FIRST, STRIDE = 2, 2
--- @include "include/epoch"
--- @include "include/announced"

local refusal = mismatch(epoch)
if refusal then return { refusal } end

local ids = {}
for i = FIRST, #ARGV, STRIDE do
  local id, version = ARGV[i], ARGV[i + 1]
  if announcedVersion(id) <= tonumber(version) then ids[#ids + 1] = id end
end
dropAnnounced(ids)
saveCounters()
return { 'dropped' }
