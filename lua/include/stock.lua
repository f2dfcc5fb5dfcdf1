-- The units of a campaign. takeUnits looks at the free units without writing; takeUnit hands out the next one, returned
-- units first; writeTaken then writes it all. giveBack puts units at the head again, the smallest serial first.
--- @include "include/write"
local fromPool = campaign.kind == 'codes'
local freeKey = fromPool and poolKey or returnedKey
local freeCount = fromPool and 'pool' or 'returned'
local free, taken = {}, 0

local function takeUnits(atMost)
  local count = math.min(atMost, campaign[freeCount])
  if count > 0 then free = redis.call('LRANGE', freeKey, 0, integer(count - 1)) end
end

local function takeUnit()
  if taken < #free then
    taken = taken + 1
    campaign[freeCount] = campaign[freeCount] - 1
    if not fromPool then return free[taken], '' end
    return string.match(free[taken], '^(%d+):(.*)$')
  end
  if fromPool or (campaign.total and campaign.lastSerial >= campaign.total) then return nil end
  campaign.lastSerial = campaign.lastSerial + 1
  return integer(campaign.lastSerial), ''
end

local function writeTaken()
  if taken > 0 then redis.call('LTRIM', freeKey, taken, -1) end
end

local function giveBack(records)
  table.sort(records, function(a, b) return tonumber(a.serial) > tonumber(b.serial) end)
  local units = {}
  for i, record in ipairs(records) do
    units[i] = fromPool and record.serial .. ':' .. record.code or record.serial
  end
  writeAll('LPUSH', freeKey, units)
  campaign[freeCount] = campaign[freeCount] + #units
end

local function available()
  if fromPool then return campaign.pool end
  return campaign.total and campaign.total - campaign.lastSerial + campaign.returned
end
