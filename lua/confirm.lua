-- Ends the lease of reservations whose rows are committed.
--
-- KEYS     campaign grants senders leases returned pool codes
-- ARGV     epoch, then for each reservation: field id stamp
-- RETURNS  missing | stale_epoch, alone; or ok, ended, the words of all with spaces between: confirmed issued taken_over
--          retaken gone
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

local records = readRecords(namedFields(FIRST, STRIDE), decodeEnding)
local words, grantWrites, endings, ended = {}, {}, {}, 0
for i = FIRST, #ARGV, STRIDE do
  local field, id, stamp = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local record = records[field]
  local word = lookAt(record, id, stamp)
  if word == 'held' then
    word = 'confirmed'
    record.state = 'i'
    grantWrites[2 * ended + 1], grantWrites[2 * ended + 2] = field, encodeIssued(record)
    ended = ended + 1
    endings[ended] = field
  end
  words[#words + 1] = word
end

-- ZREM first: it is allowed when memory is full, and once a script wrote something, all its writes are.
local last = '0'
if ended > 0 then
  writeAll('ZREM', leasesKey, endings)
  writeAll('HSET', grantsKey, grantWrites)
  campaign.reserved = campaign.reserved - ended
  campaign.issued = campaign.issued + ended
  last = finish()
end
return { 'ok', last, table.concat(words, ' ') }
