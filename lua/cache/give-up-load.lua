-- Ends a lease without a value. A load that failed leaves its error for a short while: all callers that wait are told it,
-- and nobody loads again meanwhile. A value that could not be stored leaves a mark without an error, for as long.
--
-- KEYS     entry
-- ARGV     listeners token failure failedMs; failure is empty where a value could not be stored; failedMs 0: no mark
-- RETURNS  ended, told or untold; or superseded, alone
-- WRITES   entry
-- COST     O(listening processes)
local entryKey = KEYS[1]
local listeners, token, failure, failedMs = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
--- @include "include/entry"

local entry = readEntry()
if entry.token ~= token then return { 'superseded' } end
redis.call('HDEL', entryKey, 'lease')
if failedMs > 0 then
  local failedUntil = nowMs + failedMs
  redis.call('HSET', entryKey, 'failed', instant(nowMs) .. ':' .. instant(failedUntil) .. ':' .. failure)
  keepUntil(entry, failedUntil)
end
return { 'ended', tell(listeners, 'ended') }
