-- Reads one stretch of the grants, with the lease of each that is reserved. A grant may appear twice.
--
-- KEYS     campaign grants leases
-- ARGV     epoch fence cursor limit
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back, alone; or ok, the next cursor (0 at the end), then for each: field, record, due (or
--          empty)
-- WRITES   nothing
-- COST     O(limit * log leases)
local campaignKey, grantsKey, leasesKey = KEYS[1], KEYS[2], KEYS[3]
local epoch, fence, cursor, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
--- @include "include/campaign"
--- @include "include/serving"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end
local page = redis.call('HSCAN', grantsKey, cursor, 'COUNT', limit)
local reply, field = { 'ok', page[1] }, nil
-- A list within a reply starts at 0 on ioredis-mock.
for i = 0, #page[2] do
  local value = page[2][i]
  if type(value) == 'string' and not field then
    field = value
  elseif type(value) == 'string' then
    local due = string.sub(value, 1, 1) ~= 'i' and redis.call('ZSCORE', leasesKey, field)
    reply[#reply + 1] = field
    reply[#reply + 1] = value
    reply[#reply + 1] = type(due) == 'string' and due or ''
    field = nil
  end
end
return { unpack(reply) }
