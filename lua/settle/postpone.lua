-- Leaves reservations that settle failed on for a later try, or puts them into quarantine, where only an operator acts
-- on them. They keep their units either way.
--
-- KEYS     campaign grants leases
-- ARGV     epoch, then for each reservation: field id stamp tries delayMs; delayMs is empty for quarantine
-- RETURNS  missing | stale_epoch, alone; or ok, then for each: postponed | quarantined | issued | taken_over | retaken
--          | gone
-- WRITES   leases grants
-- COST     O(reservations * log leases)
local campaignKey, grantsKey, leasesKey = KEYS[1], KEYS[2], KEYS[3]
local epoch = ARGV[1]
local FIRST, STRIDE = 2, 5
--- @include "include/now"
--- @include "include/epoch"
--- @include "include/record"
--- @include "include/grants"
--- @include "include/held"
--- @include "include/due"

local refusal = mismatch(epoch)
if refusal then return { refusal } end

local records = readRecords(named(FIRST, STRIDE))
local reply = { 'ok' }
for i = FIRST, #ARGV, STRIDE do
  local field, id, stamp, tries, delayMs = unpack(ARGV, i, i + STRIDE - 1)
  local record = records[field]
  local word = lookAt(record, id, stamp)
  if word == 'held' then
    word = delayMs == '' and 'quarantined' or 'postponed'
    record.tries = tries
    setGrant(field, encodeRecord(record), delayMs == '' and NEVER or integer(nowMs + tonumber(delayMs)))
  end
  reply[#reply + 1] = word
end
-- A key of the wrong type refuses here, before the first write.
redis.call('ZCARD', leasesKey)
writeGrants()
return { unpack(reply) }
