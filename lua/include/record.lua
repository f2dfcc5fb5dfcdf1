-- A grant's record: <r|t|i>:<stamp>:<serial>:<issuedAt>:<id>:<code>. r: reserved, and the call that took the unit may
-- still give it back. t: reserved, taken over or reassigned since; nobody gives it back. i: issued, its stamp is 0.
-- The code comes last because it may hold any character; it is empty where there is none.
local function decodeRecord(text)
  local state, stamp, serial, issuedAt, id, code = string.match(text, '^(%a):(%d+):(%d+):(%d+):([^:]*):(.*)$')
  return { state = state, stamp = stamp, serial = serial, issuedAt = issuedAt, id = id, code = code }
end

local function encodeRecord(record)
  local state, stamp, serial, issuedAt = record.state, record.stamp, record.serial, record.issuedAt
  return state .. ':' .. stamp .. ':' .. serial .. ':' .. issuedAt .. ':' .. record.id .. ':' .. record.code
end

-- Reads many fields of the grants, 500 a command; absent ones stay absent.
local function readRecords(fields)
  local records = {}
  for first = 1, #fields, 500 do
    local last = math.min(first + 499, #fields)
    local values = redis.call('HMGET', grantsKey, unpack(fields, first, last))
    for i = first, last do
      local text = values[i - first + 1]
      if type(text) == 'string' then records[fields[i]] = decodeRecord(text) end
    end
  end
  return records
end
