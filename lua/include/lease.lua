-- isLeaseOf, newLease, counted: the lease of an entry. Redis makes its name anew each time, so that a late copy of a call
-- never brings an earlier lease back. A copy that finds the lease of its own call gets that one. Its holder is told which
-- bytes are counted already, and for how many ms.
--- @include "include/entry"
local function isLeaseOf(entry, caller)
  return entry.heldUntil and string.find(entry.token, caller .. '-', 1, true) == 1
end

local function newLease(entry, caller, leaseMs)
  local token, heldUntil = caller .. '-' .. instant(nowMicros), nowMs + leaseMs
  redis.call('HSET', entryKey, 'lease', instant(nowMs) .. ':' .. instant(heldUntil) .. ':' .. token)
  keepUntil(entry, heldUntil)
  return token
end

local function counted(entry)
  return instant(math.max(0, (entry.goneAt or 0) - nowMs)) .. ':' .. instant(entry.countedBytes or 0)
end
