-- Reads a page of the reservations in quarantine, in the order of their fields.
--
-- KEYS     campaign grants leases
-- ARGV     epoch fence offset limit
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back, alone; or ok, then for each: field, record
-- WRITES   nothing
-- COST     O(limit + log leases + offset)
local campaignKey, grantsKey, leasesKey = KEYS[1], KEYS[2], KEYS[3]
local epoch, fence, offset, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
--- @include "include/campaign"
--- @include "include/serving"
--- @include "include/record"
--- @include "include/due"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end
local fields = redis.call('ZRANGEBYSCORE', leasesKey, NEVER, NEVER, 'LIMIT', offset, limit)
local records, reply = readRecords(fields), { 'ok' }
for _, field in ipairs(fields) do
  if records[field] then
    reply[#reply + 1] = field
    reply[#reply + 1] = encodeRecord(records[field])
  end
end
return { unpack(reply) }
