-- Keeps the value that a load found, if its lease is still there: an invalidation ends the lease, and a later lease has
-- another name. So no value comes back that is older than an invalidation.
--
-- KEYS     entry
-- ARGV     listeners token value ttlMs staleMs took
-- RETURNS  stored, told or untold; or superseded, alone
-- WRITES   entry
-- COST     O(listening processes)
local entryKey = KEYS[1]
local listeners, token, value = ARGV[1], ARGV[2], ARGV[3]
local ttlMs, staleMs, took = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
--- @include "include/entry"

if readEntry().token ~= token then return { 'superseded' } end
local expiresAt = nowMs + ttlMs
local endsAt = expiresAt + staleMs
local times = instant(nowMs) .. ':' .. instant(expiresAt) .. ':' .. instant(endsAt) .. ':' .. took
redis.call('HSET', entryKey, 'value', times .. ':' .. value)
redis.call('HDEL', entryKey, 'lease', 'failed')
keepUntil(endsAt)
return { 'stored', tell(listeners, 'ended') }
