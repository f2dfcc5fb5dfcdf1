-- Reads one stretch of the announced revocations, those that are past due: nobody took their units back in time. Several
-- workers may find the same ones.
--
-- KEYS     campaign
-- ARGV     epoch cursor limit
-- RETURNS  missing | stale_epoch, alone; or ok, the next cursor (0 at the end), then in pieces for each: id, version,
--          serial, userId
-- WRITES   nothing
-- COST     O(limit)
local campaignKey = KEYS[1]
local epoch, cursor, limit = ARGV[1], ARGV[2], ARGV[3]
--- @include "include/now"
--- @include "include/epoch"
--- @include "include/announced"
--- @include "include/listed"
--- @include "include/pieces"

local refusal = mismatch(epoch)
if refusal then return { refusal } end
local page = redis.call('HSCAN', campaignKey, cursor, 'COUNT', limit)
local entries, late = listed(page[2]), {}
for i = 1, #entries, 2 do
  if string.sub(entries[i], 1, #ANNOUNCED) == ANNOUNCED then
    local version, due, serial, userId = string.match(entries[i + 1], '^(%d+):(%d+):(%d+):(.*)$')
    if tonumber(due) <= nowMs then
      for _, value in ipairs({ string.sub(entries[i], #ANNOUNCED + 1), version, serial, userId }) do late[#late + 1] = value end
    end
  end
end
return { 'ok', page[1], inPieces(late) }
