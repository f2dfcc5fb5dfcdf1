-- Answers the value of an entry of a cache, or why there is none. One caller at a time gets the lease to load it: where
-- there is no value, and where it is so old that a refresh is due.
--
-- KEYS     entry
-- ARGV     caller leaseMs early; early: a refresh is due this many durations of the last load before the value expires
-- RETURNS  found, value, its ms left; or refresh, value, its ms left, the lease, counted; or load, the lease, counted; or
--          loading, alone; or apart, alone; or failed, the error; counted: ms left and bytes
-- WRITES   entry
-- COST     O(1)
local entryKey = KEYS[1]
local caller, leaseMs, early = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
--- @include "include/lease"

local entry = readEntry()
local isOwn = isLeaseOf(entry, caller)
if entry.text then
  local isDue = nowMs + entry.took * early >= entry.expiresAt
  if not isDue or entry.failure or (entry.heldUntil and not isOwn) then
    return { 'found', entry.text, instant(entry.endsAt - nowMs) }
  end
  -- A Redis that takes no writes still has the value.
  local mayWrite, token = true, entry.token
  if not isOwn then mayWrite, token = pcall(newLease, entry, caller, leaseMs) end
  if not mayWrite then return { 'found', entry.text, instant(entry.endsAt - nowMs) } end
  return { 'refresh', entry.text, instant(entry.endsAt - nowMs), token, counted(entry) }
end
-- Values that cannot be stored are loaded by each process for itself: one after the other, they would wait too long.
if entry.failure == '' then return { 'apart' } end
if entry.failure then return { 'failed', entry.failure } end
if isOwn then return { 'load', entry.token, counted(entry) } end
if entry.heldUntil then return { 'loading' } end
local token = newLease(entry, caller, leaseMs)
-- The entry now lives longer than a value that is over was counted for.
redis.call('HDEL', entryKey, 'value', 'failed')
return { 'load', token, counted(entry) }
