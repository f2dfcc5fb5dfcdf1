-- Ends a lease without a value. A load that failed leaves its error for a short while: all callers that wait are told it,
-- and nobody loads again meanwhile.
--
-- KEYS     entry
-- ARGV     listeners token failure failedMs; failure is empty where the value was only too large to be kept
-- RETURNS  ended, told or untold; or superseded, alone
-- WRITES   entry
-- COST     O(listening processes)
local entryKey = KEYS[1]
local listeners, token, failure, failedMs = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
--- @include "include/entry"

local entry = readEntry()
if entry.token ~= token then return { 'superseded' } end
redis.call('HDEL', entryKey, 'lease')
if failure ~= '' then
  local failedUntil = nowMs + failedMs
  redis.call('HSET', entryKey, 'failed', instant(nowMs) .. ':' .. instant(failedUntil) .. ':' .. failure)
  keepUntil(failedUntil, entry.endsAt)
elseif not entry.text then
  redis.call('UNLINK', entryKey)
end
return { 'ended', tell(listeners, 'ended') }
