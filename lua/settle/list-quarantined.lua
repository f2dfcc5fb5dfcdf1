-- Reads a page of the reservations in quarantine, in the order of their fields: those behind a field, which may be gone
-- by now.
--
-- KEYS     campaign grants leases data
-- ARGV     epoch fence after limit; after is empty to begin
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back, alone; or ok, the field behind which to go on (empty at
--          the end), then for each: field, record, data (or empty)
-- WRITES   nothing
-- COST     O(limit + log² leases)
local campaignKey, grantsKey, leasesKey, dataKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, fence, after, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
--- @include "include/serving"
--- @include "include/record"
--- @include "include/data"
--- @include "include/due"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end

-- Redis orders equal scores by bytes; Lua compares strings by the locale of the server.
local function isBehind(field)
  for i = 1, math.min(#field, #after) do
    local one, other = string.byte(field, i), string.byte(after, i)
    if one ~= other then return one > other end
  end
  return #field > #after
end

-- No score is above NEVER, so the quarantine is the end of the set. The first rank behind the field lies from low to
-- high.
local low, high = redis.call('ZCOUNT', leasesKey, '-inf', '(' .. NEVER), redis.call('ZCARD', leasesKey)
while after ~= '' and low < high do
  local middle = math.floor((low + high) / 2)
  if isBehind(redis.call('ZRANGE', leasesKey, integer(middle), integer(middle))[1]) then high = middle else low = middle + 1 end
end
local fields = redis.call('ZRANGE', leasesKey, integer(low), integer(low + limit - 1))
local records, data, reply = readRecords(fields), readData(fields), { 'ok', #fields < limit and '' or fields[#fields] }
for _, field in ipairs(fields) do
  if records[field] then
    reply[#reply + 1] = field
    reply[#reply + 1] = encodeRecord(records[field])
    reply[#reply + 1] = data[field] or ''
  end
end
return { unpack(reply) }
