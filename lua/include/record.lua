-- A grant's record: <r|t|i><tries>:<stamp>:<serial>:<issuedAt>:<id>:<code>. r: reserved, and the call that took the unit
-- may still give it back. t: reserved, and nobody gives it back: taken over, reassigned, or promised at once. i: issued, its
-- stamp is 0. tries: how settle fared with it so far, empty for never failed; only its users look into it. The code comes last because it may hold any
-- character; it is empty where there is none.
local function decodeRecord(text)
  local state, tries, stamp, serial, issuedAt, id, code =
    string.match(text, '^(%a)(%d*):(%d+):(%d+):(%d+):([^:]*):(.*)$')
  return { state = state, tries = tries, stamp = stamp, serial = serial, issuedAt = issuedAt, id = id, code = code }
end

local function encodeRecord(record)
  local state, stamp, serial, issuedAt = record.state, record.stamp, record.serial, record.issuedAt
  local tries = state ~= 'i' and record.tries or ''
  return state .. tries .. ':' .. stamp .. ':' .. serial .. ':' .. issuedAt .. ':' .. record.id .. ':' .. record.code
end

-- What ending a reservation needs of its record, at half the price: the fence, and as `rest` what never changes.
local function decodeEnding(text)
  local state, stamp, rest, id = string.match(text, '^(%a)%d*:(%d+):(%d+:%d+:([^:]*):.*)$')
  return { state = state, stamp = stamp, rest = rest, id = id }
end

local function encodeIssued(ending)
  return 'i:0:' .. ending.rest
end

-- Reads many fields of the grants, 500 a command; absent ones stay absent.
local function readRecords(fields, decode)
  decode = decode or decodeRecord
  local records = {}
  for first = 1, #fields, 500 do
    local last = math.min(first + 499, #fields)
    local values = redis.call('HMGET', grantsKey, unpack(fields, first, last))
    for i = first, last do
      local text = values[i - first + 1]
      if type(text) == 'string' then records[fields[i]] = decode(text) end
    end
  end
  return records
end
