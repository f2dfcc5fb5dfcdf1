-- Reads the coupons of one user.
--
-- KEYS     campaign grants
-- ARGV     epoch fence userId
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back, alone; or ok, the campaign's stamp, then for each: grant
--          record
-- WRITES   nothing
-- COST     O(perUser)
local campaignKey, grantsKey = KEYS[1], KEYS[2]
local epoch, fence, userId = ARGV[1], tonumber(ARGV[2]), ARGV[3]
--- @include "include/serving"
--- @include "include/record"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end
if redis.call('HLEN', grantsKey) ~= campaign.reserved + campaign.issued then return { 'missing' } end
local fields, reply = {}, { 'ok', integer(campaign.stamp) }
for grant = 1, campaign.perUser do fields[grant] = integer(grant) .. ':' .. userId end
local records = readRecords(fields)
for grant = 1, campaign.perUser do
  local record = records[fields[grant]]
  if record then
    reply[#reply + 1] = integer(grant)
    reply[#reply + 1] = encodeRecord(record)
  end
end
return { unpack(reply) }
