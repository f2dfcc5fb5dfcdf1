-- Lets settle try reservations again that are in quarantine; their failed tries are forgotten.
--
-- KEYS     campaign grants leases
-- ARGV     epoch, then for each reservation: field id
-- RETURNS  missing | rebuilding | stale_epoch, alone; or ok, the campaign's stamp, then for each:
--          retried | not_quarantined
-- WRITES   leases grants campaign
-- COST     O(reservations * log leases)
local campaignKey, grantsKey, leasesKey = KEYS[1], KEYS[2], KEYS[3]
local epoch = ARGV[1]
local FIRST, STRIDE = 2, 2
--- @include "include/stamp"
--- @include "include/serving"
--- @include "include/record"
--- @include "include/grants"
--- @include "include/held"
--- @include "include/due"

local refusal = unserved(epoch)
if refusal then return { refusal } end

local records = readRecords(named(FIRST, STRIDE))
local reply = { 'ok', '' }
-- A new stamp: a late copy of the step into quarantine must not act again.
local before = campaign.stamp
raiseStamp()
for i = FIRST, #ARGV, STRIDE do
  local field, id = ARGV[i], ARGV[i + 1]
  local record = records[field]
  local due = record and record.id == id and redis.call('ZSCORE', leasesKey, field)
  if type(due) == 'string' and tonumber(due) == tonumber(NEVER) then
    record.tries, record.stamp = '', integer(campaign.stamp)
    setGrant(field, encodeRecord(record), integer(nowMs))
    reply[#reply + 1] = 'retried'
  else
    reply[#reply + 1] = 'not_quarantined'
  end
end
writeGrants()
-- If a process gets a stamp that was not written, it takes this state for one that went back.
if granted > 0 then saveCounters() else campaign.stamp = before end
reply[2] = integer(campaign.stamp)
return { unpack(reply) }
