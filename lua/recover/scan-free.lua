-- Reads one stretch of the units that nobody has: those of the pool, or those that came back.
--
-- KEYS     campaign returned pool
-- ARGV     epoch fence offset limit
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back, alone; or ok, then the serial of each
-- WRITES   nothing
-- COST     O(offset + limit)
local campaignKey, returnedKey, poolKey = KEYS[1], KEYS[2], KEYS[3]
local epoch, fence, offset, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
--- @include "include/serving"
--- @include "include/stock"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end
local units = redis.call('LRANGE', freeKey, integer(offset), integer(offset + limit - 1))
local reply = { 'ok' }
for _, unit in ipairs(units) do reply[#reply + 1] = string.match(unit, '^%d+') end
return { unpack(reply) }
