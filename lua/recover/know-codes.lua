-- Tells which codes a rebuild has met: those of rows, of promises, of its own list so far, and those that were known
-- before.
--
-- KEYS     campaign codes known
-- ARGV     epoch fence, then for each code: code
-- RETURNS  missing | stale_epoch | rolled_back, alone; or ok, then for each code: known | new
-- WRITES   nothing
-- COST     O(codes)
local campaignKey, codesKey, knownKey = KEYS[1], KEYS[2], KEYS[3]
local epoch, fence = ARGV[1], tonumber(ARGV[2])
local FIRST = 3
--- @include "include/epoch"

local refusal = mismatch(epoch, fence)
if refusal then return { refusal } end
local reply = { 'ok' }
for i = FIRST, #ARGV do
  local known = redis.call('SISMEMBER', codesKey, ARGV[i]) + redis.call('SISMEMBER', knownKey, ARGV[i])
  reply[#reply + 1] = known > 0 and 'known' or 'new'
end
return { unpack(reply) }
