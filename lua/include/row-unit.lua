-- row-unit: the unit of a row of the database that Redis has no grant for, taken from where it is. It may be free; or
-- beyond the last serial, and the units between become free. If it is neither, it was withdrawn, or another user holds
-- it in Redis. The database will refuse that user, and then it is withdrawn once more. One withdrawal less adds up in
-- both cases, before and after.
--- @include "include/stock"
--- @include "include/known-codes"
--- @include "include/returned-unit"
local MOST_SKIPPED, NEAR = 1000, 500
local skippable = MOST_SKIPPED

local function unitOf(row) return fromPool and row.serial .. ':' .. row.code or row.serial end

-- Answers whether it was there. `from`: how LREM counts, above 0 from the head and below from the tail.
local function takeFree(unit, from)
  local found = redis.call('LREM', freeKey, from, unit)
  campaign[freeCount] = campaign[freeCount] - found
  return found > 0
end

-- Not so far that the units between are too many for one script, and no further than there are units.
local function isBeyond(serial)
  local skipped = serial - campaign.lastSerial - 1
  if skipped < 0 then return false end
  return fromPool or (skipped <= skippable and (not campaign.total or serial <= campaign.total))
end

local function takeBeyond(serial)
  if fromPool then campaign.total = (campaign.total or 0) + 1
  else
    local between = {}
    for free = campaign.lastSerial + 1, serial - 1 do between[#between + 1] = integer(free) end
    writeAll('RPUSH', returnedKey, between)
    campaign.returned, skippable = campaign.returned + #between, skippable - #between
  end
  campaign.lastSerial = serial
end

-- The codes of these rows are never loaded again.
local function knowCodesOf(rows)
  local codes = {}
  for _, row in ipairs(rows) do
    if fromPool and row.code ~= '' then codes[#codes + 1] = row.code end
  end
  knowCodes(codes, {})
end

-- Takes the units of these rows, unless a row has its own (hasUnit). Free units are looked for near the ends of their
-- list: after a rollback they are at its head, and skipped units are at its tail.
local function takeUnitsOf(rows)
  table.sort(rows, function(a, b) return tonumber(a.serial) < tonumber(b.serial) end)
  local near = {}
  for _, unit in ipairs(redis.call('LRANGE', freeKey, -NEAR, -1)) do near[unit] = -1 end
  for _, unit in ipairs(redis.call('LRANGE', freeKey, 0, NEAR - 1)) do near[unit] = 1 end
  for _, row in ipairs(rows) do
    local unit, serial = unitOf(row), tonumber(row.serial)
    local isTaken = row.hasUnit or (near[unit] and takeFree(unit, near[unit]))
    if not isTaken and isBeyond(serial) then
      takeBeyond(serial)
      isTaken = true
    end
    if not isTaken then campaign.withdrawn = campaign.withdrawn - 1 end
    -- Of a freed grant that was withdrawn already, the new unit is in the stock too.
    if row.returned and (isTaken or row.became ~= 'freed') then addReturned(1) end
  end
  knowCodesOf(rows)
end
