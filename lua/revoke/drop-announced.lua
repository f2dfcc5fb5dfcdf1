-- Drops announcements whose coupons turned out not to be revoked, and will not be under this announcement. Each is named
-- by its token: a newer one of the same coupon stays.
--
-- KEYS     campaign
-- ARGV     epoch, then for each coupon: id token
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
  local id, token = ARGV[i], ARGV[i + 1]
  if announcedToken(id) == token then ids[#ids + 1] = id end
end
dropAnnounced(ids)
saveCounters()
return { 'dropped' }
