-- Takes units out of the stock for good: they may be known outside, or the database gave their serial to another user.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     epoch, then for each reservation: field id stamp
-- RETURNS  missing | stale_epoch, alone; or ok, the campaign's stamp, ended, then for each: withdrawn | issued |
--          taken_over | retaken | gone
-- WRITES   leases grants data campaign
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
local reply, withdrawn = { 'ok', '', '0' }, {}
for i = FIRST, #ARGV, STRIDE do
  local field, id, stamp = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local word = lookAt(records[field], id, stamp)
  if word == 'gone' and freedTexts[id] then word = 'issued' end
  if word == 'held' then
    word = 'withdrawn'
    withdrawn[#withdrawn + 1] = field
    records[field] = nil
  end
  reply[#reply + 1] = word
end

-- A key of the wrong type refuses here, before the first write.
readData({ withdrawn[1] })
if #withdrawn > 0 then
  writeAll('ZREM', leasesKey, withdrawn)
  writeAll('HDEL', grantsKey, withdrawn)
  dropData(withdrawn)
  campaign.reserved = campaign.reserved - #withdrawn
  campaign.withdrawn = campaign.withdrawn + #withdrawn
  raiseStamp()
  reply[3] = finish()
end
reply[2] = integer(campaign.stamp)
return { unpack(reply) }
