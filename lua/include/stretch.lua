-- The promises to the units of one stretch of serials, (after, upTo], while the state is made again: those that end
-- (ended), units that are free by that (freed), and codes that may be loaded again (unseen). toRecall: the promises that
-- lose a unit which may have been delivered.
--- @include "include/record"
local holders, holderFields = {}, {}
local ended, freed, unseen = {}, {}, {}

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
-- Field and record of each promise whose unit may have been delivered, and is not the user's.
local takenAway = {}
local function takeAway(field, promised)
  if not delivers or promised.serial == '0' then return end
  takenAway[#takenAway + 1], takenAway[#takenAway + 2] = field, encodeRecord(promised)
end

local function toRecall()
  local reply, fields = {}, {}
  for i = 1, #takenAway, 2 do fields[#fields + 1] = takenAway[i] end
  local data = readData(fields)
  for i, field in ipairs(fields) do
    for _, value in ipairs({ field, takenAway[2 * i], data[field] or '' }) do reply[#reply + 1] = value end
  end
  return reply
end

-- A code that may be known outside is withdrawn, any other may be loaded again.
local function drop(code)
  if campaign.kind ~= 'codes' or code == '' then return end
  if delivers then campaign.withdrawn = campaign.withdrawn + 1 else unseen[#unseen + 1] = code end
end

-- The user has this row, so their promise ends here. Its unit is free, unless its code may be known.
local function forget(field, promised, row)
  ended[#ended + 1] = field
  campaign.reserved = campaign.reserved - 1
  local ahead = leave(promised.serial, field)
  if promised.serial == row.serial then return end
  takeAway(field, promised)
  local passed = promised.serial ~= '0' and tonumber(promised.serial) <= after
  if not ahead and passed then freed[#freed + 1] = promised.serial end
  if promised.code ~= row.code then drop(promised.code) end
end

-- Where a promise to the user of a row may be: in the field of its grant, or in any one if that was freed.
local function fieldsOf(field, became)
  if became ~= 'freed' then return { field } end
  local own, user = {}, string.match(field, ':(.*)$')
  for grant = 1, campaign.perUser do own[grant] = integer(grant) .. ':' .. user end
  return own
end

-- All fields to look at: of the promises to this stretch, and of promises to the users of rows.
local function promisesOf(first, stride)
  for i = first, #ARGV, stride do
    for _, field in ipairs(fieldsOf(ARGV[i], ARGV[i + 5])) do holderFields[#holderFields + 1] = field end
  end
  return holderFields
end

-- The row of a freed grant ends the promise with its id alone: that user may have a promise to another coupon.
local function endPromise(records, field, row)
  for _, own in ipairs(fieldsOf(field, row.became)) do
    local promised = records[own]
    if promised and promised.state ~= 'i' and (own == field or promised.id == row.id) then
      forget(own, promised, row)
      records[own] = nil
    end
  end
end

-- Ended promises in whose place no row stands.
local function withoutRow(records)
  local gone = {}
  for _, field in ipairs(ended) do
    if not records[field] then gone[#gone + 1] = field end
  end
  return gone
end
