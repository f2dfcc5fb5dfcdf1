-- Drops the value of an entry and ends its lease, so that a load which began before cannot store. A caller that has the
-- new value takes the lease, and stores under it.
--
-- KEYS     entry
-- ARGV     listeners caller leaseMs; caller is empty for an invalidation
-- RETURNS  dropped, told or untold, the lease or nothing
-- WRITES   entry
-- COST     O(listening processes)
local entryKey = KEYS[1]
local listeners, caller, leaseMs = ARGV[1], ARGV[2], tonumber(ARGV[3])
--- @include "include/lease"

redis.call('UNLINK', entryKey)
local told = tell(listeners, 'dropped')
return { 'dropped', told, caller ~= '' and newLease(caller, leaseMs) or '' }
