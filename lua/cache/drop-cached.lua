-- Drops the value of an entry and ends its lease, so that a load which began before cannot store. A caller that has the
-- new value takes the lease, and stores under it. The bytes stay counted, so a key that is set often counts once.
--
-- KEYS     entry
-- ARGV     listeners caller leaseMs; caller is empty for an invalidation
-- RETURNS  dropped, told or untold; and for a caller the lease, counted: ms left and bytes
-- WRITES   entry
-- COST     O(listening processes)
local entryKey = KEYS[1]
local listeners, caller, leaseMs = ARGV[1], ARGV[2], tonumber(ARGV[3])
--- @include "include/lease"

local entry = readEntry()
redis.call('HDEL', entryKey, 'value', 'lease', 'failed')
entry.endsAt = nil
local told = tell(listeners, 'dropped')
if caller == '' then return { 'dropped', told } end
return { 'dropped', told, newLease(entry, caller, leaseMs), counted(entry) }
