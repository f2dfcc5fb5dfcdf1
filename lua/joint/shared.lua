-- For the usual case of a script. FORMAT: the one that it knows. ID_BYTES: of an id. whole: a number as text.
local unpacked, ID_BYTES, FORMAT = unpack or table.unpack, 22, '1'
local function whole(number) return string.format('%.0f', number) end

-- The values of these fields of a hash: a text, or false.
local function readSome(hashKey, names, first, last)
  local values = redis.call('HMGET', hashKey, unpacked(names, first, last))
  for i = 1, last - first + 1 do
    if type(values[i]) ~= 'string' then values[i] = false end
  end
  return values
end

-- The same for any number of fields.
local function readAll(hashKey, names)
  if #names <= 500 then return readSome(hashKey, names, 1, #names) end
  local values = {}
  for first = 1, #names, 500 do
    local last = math.min(first + 499, #names)
    for i, value in ipairs(readSome(hashKey, names, first, last)) do values[first + i - 1] = value end
  end
  return values
end

-- A variadic command in pieces of 1,000 values.
local function writeAll(command, key, values)
  for first = 1, #values, 1000 do
    redis.call(command, key, unpacked(values, first, math.min(first + 999, #values)))
  end
end

-- The texts of a column, each behind `before`, at the end of `texts`. Nil if one stands twice.
local function addColumn(texts, column, before, isThere)
  local count = #texts
  for text in string.gmatch(column, '%Z+') do
    text = before .. text
    if isThere[text] then return nil end
    count = count + 1
    texts[count], isThere[text] = text, true
  end
  return texts
end

-- Whether a column has so many ids, each of the usual length: then they are cut out of it.
local function isColumn(ids, count)
  for i = 1, count - 1 do
    if string.byte(ids, (ID_BYTES + 1) * i) ~= 0 then return false end
  end
  return #ids == (ID_BYTES + 1) * count - 1
end

local function idAt(ids, nth)
  local from = (ID_BYTES + 1) * (nth - 1)
  return string.sub(ids, from + 1, from + ID_BYTES)
end
