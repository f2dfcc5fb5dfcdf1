-- isLeaseOf, newLease: the lease of an entry. Redis makes its name anew each time, so that a late copy of a call never brings
-- an earlier lease back. A copy that finds the lease of its own call gets that one.
--- @include "include/entry"
local function isLeaseOf(entry, caller)
  return entry.heldUntil and string.find(entry.token, caller .. '-', 1, true) == 1
end

local function newLease(caller, leaseMs, endsAt)
  local token, heldUntil = caller .. '-' .. instant(nowMicros), nowMs + leaseMs
  redis.call('HSET', entryKey, 'lease', instant(nowMs) .. ':' .. instant(heldUntil) .. ':' .. token)
  keepUntil(heldUntil, endsAt)
  return token
end
