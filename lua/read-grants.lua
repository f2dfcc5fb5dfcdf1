-- Reads the grants of the given fields.
--
-- KEYS     campaign grants
-- ARGV     epoch, then for each grant: field
-- RETURNS  missing | rebuilding | stale_epoch, alone; or ok, then for each: record (or empty)
-- WRITES   nothing
-- COST     O(fields)
local campaignKey, grantsKey = KEYS[1], KEYS[2]
local epoch = ARGV[1]
local FIRST = 2
--- @include "include/campaign"
--- @include "include/record"

if not campaign.epoch or campaign.verified ~= '1' then return { campaign.building and 'rebuilding' or 'missing' } end
if campaign.epoch ~= epoch then return { 'stale_epoch' } end
local fields, reply = {}, { 'ok' }
for i = FIRST, #ARGV do fields[#fields + 1] = ARGV[i] end
local records = readRecords(fields)
for _, field in ipairs(fields) do reply[#reply + 1] = records[field] and encodeRecord(records[field]) or '' end
return { unpack(reply) }
