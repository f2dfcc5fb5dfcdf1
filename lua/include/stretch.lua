-- The promises to the units of one stretch of serials, (after, upTo], while the state is made again: those that end
-- (ended), units that are free by that (freed), and codes that may be loaded again (unseen).
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

-- A code that may be known outside is withdrawn, any other may be loaded again.
local delivers = string.find(campaign.needs or '', 'deliver')
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
  local passed = promised.serial ~= '0' and tonumber(promised.serial) <= after
  if not ahead and passed then freed[#freed + 1] = promised.serial end
  if promised.code ~= row.code then drop(promised.code) end
end
