-- Reads how much waits to be settled, and since when.
--
-- KEYS     campaign grants leases
-- ARGV     epoch fence
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back, alone; or ok, due, quarantined, nowMs, issuedAt of the
--          oldest that is due (or empty), closed for good (1 or 0), reserved
-- WRITES   nothing
-- COST     O(log leases)
local campaignKey, grantsKey, leasesKey = KEYS[1], KEYS[2], KEYS[3]
local epoch, fence = ARGV[1], tonumber(ARGV[2])
--- @include "include/now"
--- @include "include/serving"
--- @include "include/record"
--- @include "include/due"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end
local due = redis.call('ZCOUNT', leasesKey, '-inf', integer(nowMs))
local quarantined = redis.call('ZCOUNT', leasesKey, NEVER, '+inf')
-- The head of the line, and the head of those that were claimed before.
local heads = redis.call('ZRANGEBYSCORE', leasesKey, '-inf', LINE_END, 'LIMIT', 0, 1)
heads[#heads + 1] = redis.call('ZRANGEBYSCORE', leasesKey, LINE_END, integer(nowMs), 'LIMIT', 0, 1)[1]
local records, issuedAt = readRecords(heads), ''
for _, field in ipairs(heads) do
  local record = records[field]
  if record and (issuedAt == '' or tonumber(record.issuedAt) < tonumber(issuedAt)) then issuedAt = record.issuedAt end
end
return { 'ok', due, quarantined, integer(nowMs), issuedAt, campaign.closedAt and '1' or '0', integer(campaign.reserved) }
