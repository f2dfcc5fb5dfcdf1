-- Ends the lease of reservations whose rows are committed.
--
-- KEYS     campaign grants senders leases returned pool codes
-- ARGV     epoch, then for each reservation: field id stamp
-- RETURNS  missing | stale_epoch, alone; or ok, ended, then for each: confirmed | issued | taken_over | retaken | gone
-- WRITES   leases grants campaign
-- COST     O(reservations * log leases)
local campaignKey, grantsKey, leasesKey, returnedKey, poolKey = KEYS[1], KEYS[2], KEYS[4], KEYS[5], KEYS[6]
local epoch = ARGV[1]
local FIRST, STRIDE = 2, 3
--- @include "include/now"
--- @include "include/campaign"
--- @include "include/record"
--- @include "include/write"
--- @include "include/stock"
--- @include "include/held"
--- @include "include/finish"

if campaign.epoch ~= epoch then return { campaign.epoch and 'stale_epoch' or 'missing' } end

local records = readRecords(namedFields(FIRST, STRIDE))
local reply, grantWrites, ended = { 'ok', '0' }, {}, {}
for i = FIRST, #ARGV, STRIDE do
  local field, id, stamp = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local record = records[field]
  local word = lookAt(record, id, stamp)
  if word == 'held' then
    word = 'confirmed'
    record.state, record.stamp = 'i', '0'
    grantWrites[#grantWrites + 1] = field
    grantWrites[#grantWrites + 1] = encodeRecord(record)
    ended[#ended + 1] = field
  end
  reply[#reply + 1] = word
end

-- ZREM first: it is allowed when memory is full, and once a script wrote something, all its writes are.
if #ended > 0 then
  writeAll('ZREM', leasesKey, ended)
  writeAll('HSET', grantsKey, grantWrites)
  campaign.reserved = campaign.reserved - #ended
  campaign.issued = campaign.issued + #ended
  reply[2] = finish()
end
return { unpack(reply) }
