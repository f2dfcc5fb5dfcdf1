-- Changes a code that is still in the pool. The old one stays known, so that loading the same list again skips it.
--
-- KEYS     campaign pool codes
-- ARGV     epoch fence fromTail unit code
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back | no_pool | moved (look again) | duplicate, alone; or
--          replaced, the campaign's stamp
-- WRITES   codes campaign pool
-- COST     O(distance from the nearer end of the pool)
local campaignKey, poolKey, codesKey = KEYS[1], KEYS[2], KEYS[3]
local epoch, fence, fromTail, unit, code = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
--- @include "include/stamp"
--- @include "include/serving"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end
if campaign.kind ~= 'codes' then return { 'no_pool' } end
if redis.call('SCARD', codesKey) ~= campaign.codes then return { 'missing' } end
local index = integer(-fromTail)
local replacement = string.match(unit, '^(%d+):') .. ':' .. code
local there = redis.call('LINDEX', poolKey, index)
if there == replacement then return { 'replaced', integer(campaign.stamp) } end
if there ~= unit then return { 'moved' } end
if redis.call('SISMEMBER', codesKey, code) == 1 then return { 'duplicate' } end
redis.call('SADD', codesKey, code)
local stamp = integer(nextStamp())
redis.call('HSET', campaignKey, 'codes', integer(campaign.codes + 1), 'stamp', stamp)
redis.call('LSET', poolKey, index, replacement)
return { 'replaced', stamp }
