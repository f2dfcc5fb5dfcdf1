-- Looks for a code in one stretch of the pool, counted from its tail: taking and giving back move the head alone.
--
-- KEYS     campaign pool
-- ARGV     epoch fence code fromTail limit
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back | no_pool | end, alone; or more, next fromTail; or found,
--          fromTail, unit
-- WRITES   nothing
-- COST     O(limit)
local campaignKey, poolKey = KEYS[1], KEYS[2]
local epoch, fence, code, fromTail, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
--- @include "include/serving"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end
if campaign.kind ~= 'codes' then return { 'no_pool' } end
if redis.call('LLEN', poolKey) ~= campaign.pool then return { 'missing' } end
local units = redis.call('LRANGE', poolKey, integer(-fromTail - limit + 1), integer(-fromTail))
for i = #units, 1, -1 do
  if string.match(units[i], '^%d+:(.*)$') == code then
    return { 'found', integer(fromTail + #units - i), units[i] }
  end
end
if #units < limit then return { 'end' } end
return { 'more', integer(fromTail + limit) }
