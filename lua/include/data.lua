-- data: what callers gave with their units, as JSON text. Its key has a field for each reservation that has some, the
-- same as its grant has. campaign.data counts them; while it is 0, no script touches the key. A reservation that ends
-- takes its data along.
--- @include "include/campaign"
--- @include "include/write"
local hasData = (campaign.data or 0) > 0
local dataWrites, dataGiven = {}, {}

-- The data of these fields; a field without any is absent. A key of the wrong type refuses here, before the first
-- write.
local function readData(fields)
  local data = {}
  for first = 1, hasData and #fields or 0, 500 do
    local last = math.min(first + 499, #fields)
    local values = redis.call('HMGET', dataKey, unpack(fields, first, last))
    for i = first, last do
      local text = values[i - first + 1]
      if type(text) == 'string' then data[fields[i]] = text end
    end
  end
  return data
end

-- Of a field that this script may have given data to.
local function dataOf(field) return dataGiven[field] or readData({ field })[field] or '' end

-- Collects the data of a new reservation, if there is some; writeData writes it all.
local function setData(field, text)
  if not text or text == '' then return end
  dataWrites[#dataWrites + 1], dataWrites[#dataWrites + 2] = field, text
  dataGiven[field] = text
end

local function writeData()
  if #dataWrites == 0 then return end
  writeAll('HSET', dataKey, dataWrites)
  campaign.data = (campaign.data or 0) + #dataWrites / 2
end

local function dropData(fields)
  for first = 1, hasData and #fields or 0, 1000 do
    local dropped = redis.call('HDEL', dataKey, unpack(fields, first, math.min(first + 999, #fields)))
    campaign.data = campaign.data - dropped
  end
end
