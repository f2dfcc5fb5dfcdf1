-- Ends the lease of reservations whose rows are committed.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     epoch ids, then for each run: stamp fields; a run are reservations with one stamp; fields has one for each of
--          them, and ids one for each of all, with U+0000 between
-- RETURNS  missing | stale_epoch, alone; or ok, ended, the words of all with spaces between: confirmed issued
--          taken_over retaken gone
-- WRITES   leases grants data campaign
-- COST     O(reservations * log leases)
local campaignKey, grantsKey, leasesKey, returnedKey, poolKey, dataKey = KEYS[1], KEYS[2], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch, ids = ARGV[1], ARGV[2]
local FIRST, STRIDE = 3, 2
--- @include "include/column"
--- @include "include/epoch"
--- @include "include/record"
--- @include "include/grants"
--- @include "include/data"
--- @include "include/held"
--- @include "include/finish"

local refusal = mismatch(epoch)
if refusal then return { refusal } end

local fields, stamps, count = {}, {}, 0
for i = FIRST, #ARGV, STRIDE do
  for field in string.gmatch(ARGV[i + 1], '%Z+') do
    count = count + 1
    fields[count], stamps[count] = field, ARGV[i]
  end
end
-- Of all runs at once: the same reservation may stand twice.
local texts = readTexts(fields)
local words, endings = {}, {}
for nth, id in ipairs(column(ids)) do
  local field, stamp = fields[nth], stamps[nth]
  local text = texts[field]
  local word = lookAt(text and decodeRecord(text), id, stamp)
  if word == 'held' then
    word = 'confirmed'
    texts[field] = issuedText(text)
    setGrant(field, texts[field])
    endings[granted] = field
  end
  words[nth] = word
end
local ended = #endings

-- A key of the wrong type refuses here, before the first write.
readData({ endings[1] })
-- ZREM first: it is allowed when memory is full, and once a script wrote something, all its writes are.
local last = '0'
if ended > 0 then
  writeAll('ZREM', leasesKey, endings)
  writeGrants()
  dropData(endings)
  campaign.reserved = campaign.reserved - ended
  campaign.issued = campaign.issued + ended
  last = finish()
end
return { 'ok', last, table.concat(words, ' ') }
