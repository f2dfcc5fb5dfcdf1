-- A grant's record: <r|t|i><tries>:<stamp>:<serial>:<issuedAt>:<id>:<code>. r: reserved, and the call that took the
-- unit may still give it back. t: reserved, and nobody gives it back: taken over, reassigned, or promised at once. i:
-- issued; its stamp is 0, or that of the call that issued it at once. tries: how often settle failed on it, empty for
-- never; the text is for settle alone. i1: issued, and marked, because it is revoked in the database. The code comes last
-- because it may hold any character; it is empty where there is none.
--- @include "include/campaign"
local function decodeRecord(text)
  local state, tries, stamp, serial, issuedAt, id, code =
    string.match(text, '^(%a)(%d*):(%d+):(%d+):(%d+):([^:]*):(.*)$')
  return { state = state, tries = tries, stamp = stamp, serial = serial, issuedAt = issuedAt, id = id, code = code }
end

-- `state` with the tries, if there are any.
local function recordText(state, stamp, serial, issuedAt, id, code)
  return state .. ':' .. stamp .. ':' .. serial .. ':' .. issuedAt .. ':' .. id .. ':' .. code
end

local function encodeRecord(record)
  return recordText(record.state .. record.tries, record.stamp, record.serial, record.issuedAt, record.id, record.code)
end

local function isMarked(record) return record.state == 'i' and record.tries == '1' end

-- The record of a row of the database. What became of it: `revoked`, which is marked; `freed`, which has no record,
-- because its user may have another coupon; or empty. `returned` is 1 where a new unit went into the stock for its own.
local function rowRecord(id, serial, issuedAt, code, became, returned)
  local record = { state = 'i', tries = '', stamp = '0', serial = serial, issuedAt = issuedAt, id = id, code = code }
  if became == 'revoked' then record.tries = '1' end
  record.became, record.returned = became, returned == '1'
  return record
end

-- The record of the same grant once it is issued.
local function issuedText(text)
  local _, stampEnd = string.find(text, ':%d+:')
  return 'i:0:' .. string.sub(text, stampEnd + 1)
end

-- Reads many fields of the grants as they are, 500 a command; absent ones stay absent.
local function readTexts(fields)
  local texts = {}
  for first = 1, #fields, 500 do
    local last = math.min(first + 499, #fields)
    local values = redis.call('HMGET', grantsKey, unpack(fields, first, last))
    for i = first, last do
      local text = values[i - first + 1]
      if type(text) == 'string' then texts[fields[i]] = text end
    end
  end
  return texts
end

local function readRecords(fields)
  local records = readTexts(fields)
  for field, text in pairs(records) do records[field] = decodeRecord(text) end
  return records
end
