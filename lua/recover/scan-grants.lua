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
--- @include "include/campaign"
--- @include "include/serving"
--- @include "include/pieces"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end
local page = redis.call('HSCAN', grantsKey, cursor, 'COUNT', limit)
local seen, field = {}, nil
-- A list within a reply starts at 0 on ioredis-mock.
for i = 0, #page[2] do
  local value = page[2][i]
  if type(value) == 'string' and not field then
    field = value
  elseif type(value) == 'string' then
    local due = string.sub(value, 1, 1) ~= 'i' and redis.call('ZSCORE', leasesKey, field)
    seen[#seen + 1] = field
    seen[#seen + 1] = value
    seen[#seen + 1] = type(due) == 'string' and due or ''
    field = nil
  end
end
return { 'ok', page[1], inPieces(seen) }
