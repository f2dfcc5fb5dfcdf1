-- Reads one stretch of the lists of codes that were loaded. A list may appear twice.
--
-- KEYS     campaign
-- ARGV     epoch fence cursor limit
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back | no_pool, alone; or ok, the next cursor (0 at the end),
--          then in pieces for each: loadId, how many of its codes were taken
-- WRITES   nothing
-- COST     O(limit)
local campaignKey = KEYS[1]
local epoch, fence, cursor, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
--- @include "include/serving"
--- @include "include/listed"
--- @include "include/pieces"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end
if campaign.kind ~= 'codes' then return { 'no_pool' } end
local page = redis.call('HSCAN', campaignKey, cursor, 'COUNT', limit)
local entries, loads = listed(page[2]), {}
for i = 1, #entries, 2 do
  local loadId = string.match(entries[i], '^load:(.*)$')
  if loadId then
    loads[#loads + 1] = loadId
    loads[#loads + 1] = string.match(entries[i + 1], '^%d+')
  end
end
return { 'ok', page[1], inPieces(loads) }
