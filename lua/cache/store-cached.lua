-- Keeps the value that a load found, if its lease is still there: an invalidation ends the lease, and a later lease has
-- another name. So no value comes back that is older than an invalidation. The count of its bytes is kept in any case: it
-- was made, and the next store of this entry needs no other.
--
-- KEYS     entry
-- ARGV     listeners token value ttlMs staleMs took counted; counted: the instant until when and the bytes, or empty
-- RETURNS  stored, told or untold; or superseded, alone
-- WRITES   entry
-- COST     O(listening processes)
local entryKey = KEYS[1]
local listeners, token, value = ARGV[1], ARGV[2], ARGV[3]
local ttlMs, staleMs, took, counted = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]
--- @include "include/entry"

local entry = readEntry()
if counted ~= '' then
  redis.call('HSET', entryKey, 'counted', counted)
  entry.goneAt = tonumber(string.match(counted, '^%d+')) + 0.0
  keepUntil(entry, entry.goneAt)
end
if not entry.heldUntil or entry.token ~= token then return { 'superseded' } end
local expiresAt = nowMs + ttlMs
local endsAt = expiresAt + staleMs
local times = instant(nowMs) .. ':' .. instant(expiresAt) .. ':' .. instant(endsAt) .. ':' .. took
redis.call('HSET', entryKey, 'value', times .. ':' .. value)
redis.call('HDEL', entryKey, 'lease', 'failed')
keepUntil(entry, endsAt)
return { 'stored', tell(listeners, 'ended') }
