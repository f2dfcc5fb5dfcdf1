-- Gives reservations another unit, because the database says that another user has theirs. Only the refused unit is
-- withdrawn: jumping ahead would lose the free ones below. Where only a generated code collided, the unit stays.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     epoch, then for each reservation: field id stamp serial keep code; serial is the refused one, keep is 1 to
--          change the code alone, code is a newly generated one, or empty
-- RETURNS  missing | stale_epoch, alone; or ok, the campaign's stamp, ended, then for each: word, record. Words:
--          reassigned sold_out issued taken_over retaken gone; the record is '' with sold_out and gone
-- WRITES   leases grants data returned pool campaign
-- COST     O(reservations * log leases)
local campaignKey, grantsKey, leasesKey, returnedKey, poolKey, dataKey = KEYS[1], KEYS[2], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch = ARGV[1]
local FIRST, STRIDE = 2, 6
--- @include "include/stamp"
--- @include "include/epoch"
--- @include "include/record"
--- @include "include/grants"
--- @include "include/data"
--- @include "include/held"
--- @include "include/finish"

local refusal = mismatch(epoch)
if refusal then return { refusal } end

local records = readRecords(named(FIRST, STRIDE))
takeUnits((#ARGV - FIRST + 1) / STRIDE)
local stamp = integer(nextStamp())
local lease = integer(nowMs + campaign.leaseMs)
local reply, lost = { 'ok', '', '0' }, {}

local function moveOn(field, record, keep, code)
  if not keep then
    campaign.withdrawn = campaign.withdrawn + 1
    local serial, pooled = takeUnit()
    if not serial then
      lost[#lost + 1] = field
      records[field] = nil
      return 'sold_out'
    end
    record.serial = serial
    if fromPool then record.code = pooled end
  end
  if not fromPool then record.code = code end
  record.state, record.tries, record.stamp = 't', '', stamp
  setGrant(field, encodeRecord(record), lease)
  return 'reassigned'
end

for i = FIRST, #ARGV, STRIDE do
  local field, id, held, serial, keep, code = unpack(ARGV, i, i + STRIDE - 1)
  local record = records[field]
  local word = lookAt(record, id, held)
  if word == 'held' then
    word = record.serial == serial and moveOn(field, record, keep == '1', code) or 'taken_over'
  end
  reply[#reply + 1] = word
  reply[#reply + 1] = (word == 'gone' or word == 'sold_out') and '' or encodeRecord(record)
end

-- A key of the wrong type refuses here, before the first write.
redis.call('ZCARD', leasesKey)
readData({ lost[1] })
if granted + #lost > 0 then
  writeAll('ZREM', leasesKey, lost)
  writeAll('HDEL', grantsKey, lost)
  dropData(lost)
  writeGrants()
  writeTaken()
  campaign.reserved = campaign.reserved - #lost
  campaign.stamp = tonumber(stamp)
  reply[3] = finish()
end
reply[2] = integer(campaign.stamp)
return { unpack(reply) }
