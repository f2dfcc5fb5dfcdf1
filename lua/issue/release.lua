-- Gives units back, once each, because nothing was delivered or saved: the compensation.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     epoch, then for each reservation: field id stamp
-- RETURNS  missing | stale_epoch, alone; or ok, the campaign's stamp, then for each: word, record. Words: released
--          issued taken_over retaken gone; the record is '' with gone, and marked where the coupon was revoked
-- WRITES   leases grants data returned pool campaign
-- COST     O(reservations * log leases)
local campaignKey, grantsKey, leasesKey, returnedKey, poolKey, dataKey = KEYS[1], KEYS[2], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch = ARGV[1]
local FIRST, STRIDE = 2, 3
--- @include "include/stamp"
--- @include "include/epoch"
--- @include "include/record"
--- @include "include/data"
--- @include "include/freed"
--- @include "include/held"
--- @include "include/finish"

local refusal = mismatch(epoch)
if refusal then return { refusal } end

local records = readRecords(named(FIRST, STRIDE))
readFreed(ARGV, FIRST + 1, STRIDE)
local reply, freed, units = { 'ok', '' }, {}, {}
for i = FIRST, #ARGV, STRIDE do
  local field, id, stamp = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local record = records[field]
  local word = lookAt(record, id, stamp)
  local revoked = word == 'gone' and freedTexts[id]
  if revoked then word = 'issued' end
  if word == 'held' then
    word = 'released'
    freed[#freed + 1] = field
    units[#units + 1] = record
    records[field] = nil
  end
  reply[#reply + 1] = word
  reply[#reply + 1] = revoked or word == 'gone' and '' or encodeRecord(record)
end

-- A key of the wrong type refuses here, before the first write.
redis.call('LLEN', freeKey)
readData({ freed[1] })
if #freed > 0 then
  writeAll('ZREM', leasesKey, freed)
  writeAll('HDEL', grantsKey, freed)
  dropData(freed)
  giveBack(units)
  campaign.reserved = campaign.reserved - #freed
  raiseStamp()
  finish()
end
reply[2] = integer(campaign.stamp)
return { unpack(reply) }
