-- Leaves reservations that settle failed on for a later try, or puts them into quarantine, where only an operator acts on
-- them. They keep their units either way.
--
-- KEYS     campaign grants leases
-- ARGV     epoch, then for each reservation: field id stamp tries delayMs; delayMs is empty for quarantine
-- RETURNS  missing | stale_epoch, alone; or ok, then for each: postponed | quarantined | issued | taken_over | retaken | gone
-- WRITES   leases grants
-- COST     O(reservations * log leases)
local campaignKey, grantsKey, leasesKey = KEYS[1], KEYS[2], KEYS[3]
local epoch = ARGV[1]
local FIRST, STRIDE = 2, 5
--- @include "include/now"
--- @include "include/campaign"
--- @include "include/record"
--- @include "include/write"
--- @include "include/held"
--- @include "include/due"

if campaign.epoch ~= epoch then return { campaign.epoch and 'stale_epoch' or 'missing' } end

local records = readRecords(namedFields(FIRST, STRIDE))
local reply, grantWrites, leaseWrites = { 'ok' }, {}, {}
for i = FIRST, #ARGV, STRIDE do
  local field, id, stamp, tries, delayMs = unpack(ARGV, i, i + STRIDE - 1)
  local record = records[field]
  local word = lookAt(record, id, stamp)
  if word == 'held' then
    word = delayMs == '' and 'quarantined' or 'postponed'
    record.tries = tries
    grantWrites[#grantWrites + 1] = field
    grantWrites[#grantWrites + 1] = encodeRecord(record)
    leaseWrites[#leaseWrites + 1] = delayMs == '' and NEVER or integer(nowMs + tonumber(delayMs))
    leaseWrites[#leaseWrites + 1] = field
  end
  reply[#reply + 1] = word
end
-- A key of the wrong type refuses here, before the first write.
redis.call('ZCARD', leasesKey)
writeAll('HSET', grantsKey, grantWrites)
writeAll('ZADD', leasesKey, leaseWrites)
return { unpack(reply) }
