-- Reads the grants of the given fields.
--
-- KEYS     campaign grants
-- ARGV     epoch fence, then for each grant: field
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back, alone; or ok, then for each: record (or empty)
-- WRITES   nothing
-- COST     O(fields)
local campaignKey, grantsKey = KEYS[1], KEYS[2]
local epoch, fence = ARGV[1], tonumber(ARGV[2])
local FIRST = 3
--- @include "include/serving"
--- @include "include/record"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end
local fields, reply = {}, { 'ok' }
for i = FIRST, #ARGV do fields[#fields + 1] = ARGV[i] end
local records = readRecords(fields)
for _, field in ipairs(fields) do reply[#reply + 1] = records[field] and encodeRecord(records[field]) or '' end
return { unpack(reply) }
