-- Takes the units of revoked coupons back, once each. The row is proof for every attempt, so it acts on a record of that
-- id and serial in every state, and under every stamp. The record is marked, or it goes where the grant was freed. A
-- returned unit is a new one: the old serial and its code may be known.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     epoch, then for each coupon: id userId serial frees returns; the last two are 1 or empty
-- RETURNS  missing | rebuilding | stale_epoch, alone; or ok, the campaign's stamp, ended, then for each: taken_back |
--          before | gone
-- WRITES   campaign grants leases data
-- COST     O(coupons * (perUser + log leases))
local campaignKey, grantsKey, leasesKey, returnedKey, poolKey, dataKey = KEYS[1], KEYS[2], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch = ARGV[1]
local FIRST, STRIDE = 2, 5
--- @include "include/stamp"
--- @include "include/serving"
--- @include "include/holdings"
--- @include "include/freed"
--- @include "include/grants"
--- @include "include/data"
--- @include "include/named"
--- @include "include/announced"
--- @include "include/returned-unit"
--- @include "include/finish"

local refusal = unserved(epoch)
if refusal then return { refusal } end
readHoldings(ARGV, FIRST + 1, STRIDE)
local reply, settled, freed = { 'ok', '', '0' }, {}, {}

local function takeBack(field, record, frees, returns)
  local marked, counter = isMarked(record), record.state == 'i' and 'issued' or 'reserved'
  if marked and not frees then return 'before' end
  if counter == 'reserved' then settled[#settled + 1] = field end
  campaign[counter] = campaign[counter] - 1
  if frees then
    texts[field], freed[#freed + 1] = nil, field
    campaign.withdrawn = campaign.withdrawn + 1
    noteFreed(record)
    if marked then campaign.revoked = campaign.revoked - 1 end
  else
    texts[field] = encodeRecord(rowRecord(record.id, record.serial, record.issuedAt, record.code, 'revoked'))
    setGrant(field, texts[field])
    campaign.issued, campaign.revoked = campaign.issued + 1, (campaign.revoked or 0) + 1
  end
  if returns and not marked then addReturned(1) end
  return 'taken_back'
end
for i = FIRST, #ARGV, STRIDE do
  local id, userId, serial, frees, returns = unpack(ARGV, i, i + STRIDE - 1)
  local held, word = holdingsOf(#reply - 2), 'gone'
  for at = 1, #held, 2 do
    local field, record = held[at] .. ':' .. userId, decodeRecord(held[at + 1])
    if record.id == id and record.serial == serial then word = takeBack(field, record, frees == '1', returns == '1') end
  end
  reply[#reply + 1] = word
end

-- A key of the wrong type refuses here, before the first write. That one frees: it is allowed when memory is full.
redis.call('ZCARD', leasesKey)
readData({ settled[1] })
dropAnnounced(named(FIRST, STRIDE))
if #freed + granted > 0 then
  writeAll('ZREM', leasesKey, settled)
  dropData(settled)
  writeGrants()
  writeAll('HDEL', grantsKey, freed)
  writeFreed()
  raiseStamp()
  reply[3] = finish()
end
saveCounters()
reply[2] = integer(campaign.stamp)
return { unpack(reply) }
