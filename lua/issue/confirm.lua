-- Ends the lease of reservations whose rows are committed.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     epoch, then for each reservation: field record
-- RETURNS  missing | stale_epoch, alone; or ok, ended, the words of all with spaces between: confirmed issued
--          taken_over retaken gone
-- WRITES   leases grants data campaign
-- COST     O(reservations * log leases)
local campaignKey, grantsKey, leasesKey, returnedKey, poolKey, dataKey = KEYS[1], KEYS[2], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch = ARGV[1]
local FIRST, STRIDE = 2, 2
--- @include "include/epoch"
--- @include "include/record"
--- @include "include/grants"
--- @include "include/data"
--- @include "include/held"
--- @include "include/finish"

local refusal = mismatch(epoch)
if refusal then return { refusal } end

local texts = readTexts(named(FIRST, STRIDE))
local words, endings, ended = {}, {}, 0
for i = FIRST, #ARGV, STRIDE do
  local field, known = ARGV[i], ARGV[i + 1]
  local text, word = texts[field], 'held'
  -- The whole record is the same, as a rule; otherwise its id and its stamp decide.
  if text ~= known then
    local record = decodeRecord(known)
    word = lookAt(text and decodeRecord(text), record.id, record.stamp)
  end
  if word == 'held' then
    word = 'confirmed'
    texts[field] = issuedText(text)
    setGrant(field, texts[field])
    ended = ended + 1
    endings[ended] = field
  end
  words[#words + 1] = word
end

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
