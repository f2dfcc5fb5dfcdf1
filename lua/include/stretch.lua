-- The promises to the units of one stretch of serials, (after, upTo], while the state is made again: those that end
-- (ended), units that are free by that (freed), codes that may be loaded again (unseen), and those that nobody may get
-- (dropped). takenAway: field, record and data of each promise that loses a unit which may have been delivered.
--- @include "include/record"
--- @include "include/dropped"
local holders, holderFields = {}, {}
local ended, freed, unseen, dropped, takenAway = {}, {}, {}, {}, {}
-- Promises that moved to another grant: their leases, their places among those kept, and their data.
local homes = {}

local function readHolders()
  local kept = redis.call('ZRANGEBYSCORE', keptKey, '(' .. integer(after), integer(upTo), 'WITHSCORES')
  for i = 1, #kept, 2 do
    local serial = integer(tonumber(kept[i + 1]))
    holders[serial] = holders[serial] or {}
    table.insert(holders[serial], kept[i])
    holderFields[#holderFields + 1] = kept[i]
  end
end

local function leave(serial, field)
  for i, holder in ipairs(holders[serial] or {}) do
    if holder == field then return table.remove(holders[serial], i) end
  end
end

local delivers = string.find(campaign.needs or '', 'deliver')
local function takeAway(field, promised)
  if not delivers or promised.serial == '0' then return end
  local home = homes[field]
  local data = home and (home.data or '') or readData({ field })[field] or ''
  for _, value in ipairs({ field, encodeRecord(promised), data }) do takenAway[#takenAway + 1] = value end
end

-- A code that may be known outside is withdrawn, any other may be loaded again. A rebuild may take a pool for another
-- stock by mistake, also for one that generates codes, and the next one may not.
local function drop(code)
  if code == '' then return end
  if delivers then
    dropped[code] = true
  elseif campaign.kind == 'codes' then
    unseen[#unseen + 1] = code
  end
end

-- Not those that these rows have.
local function writeDropped(issued)
  clearDropped(issued)
  for _, code in ipairs(issued) do dropped[code] = nil end
  for code in pairs(dropped) do dropCode(code) end
end

-- The user has this row, so their promise ends here. Its unit is free, unless its code may be known. The row may be of
-- another history of Redis: the same serial has another code there.
local function forget(field, promised, row)
  local isOther = promised.serial ~= row.serial or promised.code ~= row.code
  local isSameCode = promised.id == row.id and promised.code ~= '' and promised.code == row.code
  if isOther and not isSameCode then takeAway(field, promised) end
  ended[#ended + 1], homes[field] = field, nil
  campaign.reserved = campaign.reserved - 1
  local ahead = leave(promised.serial, field)
  if not isOther then return end
  local passed = promised.serial ~= '0' and tonumber(promised.serial) <= after
  if not ahead and passed then freed[#freed + 1] = promised.serial end
  if promised.code ~= row.code then drop(promised.code) end
end

-- Where promises to the user of a row may be.
local function fieldsOf(field)
  local own, user = {}, string.match(field, ':(.*)$')
  local grant = tonumber(string.match(field, '^%d+'))
  for nth = 1, campaign.perUser do own[nth] = integer(nth) .. ':' .. user end
  if grant > campaign.perUser then own[#own + 1] = field end
  return own
end

-- All fields to look at: of the promises to this stretch, and of promises to the users of rows.
local function promisesOf(first, stride)
  for i = first, #ARGV, stride do
    for _, field in ipairs(fieldsOf(ARGV[i])) do holderFields[#holderFields + 1] = field end
  end
  return holderFields
end

-- The row in its place is that of another coupon: the promise goes to the first grant of its user that has nothing.
-- Answers whether there was one.
local function moveOn(records, field, promised)
  for _, home in ipairs(fieldsOf(field)) do
    if not records[home] then
      local held = holders[promised.serial] or {}
      for i, holder in ipairs(held) do if holder == field then held[i] = home end end
      local due, place = redis.call('ZSCORE', leasesKey, field), redis.call('ZSCORE', keptKey, field)
      homes[home] = homes[field] or { due = due, place = place, data = readData({ field })[field] }
      homes[field] = nil
      ended[#ended + 1] = field
      records[home] = promised
      setGrant(home, encodeRecord(promised))
      return true
    end
  end
  return false
end

local function writeHomes()
  local leases, places = {}, {}
  for home, of in pairs(homes) do
    if type(of.due) == 'string' then leases[#leases + 1], leases[#leases + 2] = of.due, home end
    if type(of.place) == 'string' then places[#places + 1], places[#places + 2] = of.place, home end
    setData(home, of.data)
  end
  writeAll('ZADD', leasesKey, leases)
  writeAll('ZADD', keptKey, places)
  writeData()
end

-- A row ends the promise with its id, wherever that is: its grant may be freed.
local function endPromise(records, field, row)
  for _, own in ipairs(fieldsOf(field)) do
    local promised = records[own]
    if promised and promised.state ~= 'i' and promised.id == row.id then
      forget(own, promised, row)
      records[own] = nil
    end
  end
end

-- Another promise in the place of a row moves on, or ends.
local function makeWay(records, field, row)
  local promised = records[field]
  if promised and promised.state ~= 'i' and not moveOn(records, field, promised) then forget(field, promised, row) end
end

-- Ended promises in whose place no row stands.
local function withoutRow(records)
  local gone = {}
  for _, field in ipairs(ended) do
    if not records[field] then gone[#gone + 1] = field end
  end
  return gone
end
