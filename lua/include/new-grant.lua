-- newGrant: takes a unit for a field, or answers nil. It is a reservation in this state and under this
-- stamp, whose lease has this score; or issued at once, where nothing is delivered or saved: then there is no lease,
-- and nobody to get the data.
--- @include "include/now"
--- @include "include/record"
--- @include "include/grants"
--- @include "include/data"
--- @include "include/stock"
--- @include "include/generated"
local lease = campaign.needs and integer(nowMs + campaign.leaseMs)
local issuedAt, counter = integer(nowMs), lease and 'reserved' or 'issued'

local function newGrant(field, id, code, data, state, stamp, due)
  local serial, pooled = takeUnit()
  if not serial then return nil end
  campaign[counter] = campaign[counter] + 1
  if not lease then state, due = 'i', nil end
  local text = recordText(state, stamp, serial, issuedAt, id, fromPool and pooled or (generates and code or ''))
  setGrant(field, text, due)
  if lease then setData(field, data) end
  return text
end

local function writeNewGrants()
  writeGrants()
  writeData()
  writeTaken()
end
