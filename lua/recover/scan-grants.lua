-- Reads one stretch of the grants, with the lease of each that is reserved. A grant may appear twice.
--
-- KEYS     campaign grants leases
-- ARGV     epoch fence cursor limit
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back, alone; or ok, the next cursor (0 at the end), then in
--          pieces for each: field, record, due (or empty)
-- WRITES   nothing
-- COST     O(limit * log leases)
local campaignKey, grantsKey, leasesKey = KEYS[1], KEYS[2], KEYS[3]
local epoch, fence, cursor, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
--- @include "include/serving"
--- @include "include/record"
--- @include "include/listed"
--- @include "include/pieces"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end
local page = redis.call('HSCAN', grantsKey, cursor, 'COUNT', limit)
local entries, seen = listed(page[2]), {}
for i = 1, #entries, 2 do
  local field, text = entries[i], entries[i + 1]
  local due = decodeRecord(text).state ~= 'i' and redis.call('ZSCORE', leasesKey, field)
  for _, value in ipairs({ field, text, type(due) == 'string' and due or '' }) do seen[#seen + 1] = value end
end
return { 'ok', page[1], inPieces(seen) }
