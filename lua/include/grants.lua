-- setGrant collects the records that a script writes, each with the score of its lease if it gets one; writeGrants
-- writes them all.
--- @include "include/write"
local grantWrites, leaseWrites, granted, leased = {}, {}, 0, 0

local function setGrant(field, text, due)
  grantWrites[2 * granted + 1], grantWrites[2 * granted + 2] = field, text
  granted = granted + 1
  if not due then return end
  leaseWrites[2 * leased + 1], leaseWrites[2 * leased + 2] = due, field
  leased = leased + 1
end

local function writeGrants()
  writeAll('HSET', grantsKey, grantWrites)
  writeAll('ZADD', leasesKey, leaseWrites)
end
