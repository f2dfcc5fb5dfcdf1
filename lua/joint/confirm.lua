-- usual: a confirm of reservations that are all held, of a campaign that goes on. It writes what the script would, and
-- replies one word for all. The stamp and the field name a reservation. The id is looked for anywhere behind them,
-- because no code has it.
local NAMES = { 'epoch', 'format', 'reserved', 'issued', 'kind', 'pool', 'total', 'lastSerial', 'data', 'closedAt' }

-- The fields of all runs, and the stamp of each. Nil if one stands twice.
local function readRuns(at, count)
  local own, stamps, isThere = {}, {}, {}
  for i = at + 3, at + count, 2 do
    if not addColumn(own, ARGV[i + 1], '', isThere) then return nil end
    for nth = #stamps + 1, #own do stamps[nth] = ARGV[i] end
  end
  return own, stamps
end

-- The issued records in their place. Nil if one is not held under its stamp.
local function issuedRecords(own, texts, stamps, ids)
  local writes = {}
  for i = 1, #own do
    local text = texts[i]
    local head = text and string.sub(text, 1, 1) .. ':' .. stamps[i] .. ':'
    if not text or string.sub(text, 1, 1) == 'i' or string.sub(text, 1, #head) ~= head then return nil end
    if not string.find(text, ':' .. idAt(ids, i) .. ':', #head, true) then return nil end
    writes[2 * i - 1], writes[2 * i] = own[i], 'i:0:' .. string.sub(text, #head + 1)
  end
  return writes
end

local function usual(key, at, count)
  local epoch, form, reserved, issued, kind, pool, total, lastSerial, data, closedAt = unpacked(readAll(KEYS[key + 1], NAMES))
  if epoch ~= ARGV[at + 1] or form ~= FORMAT or closedAt or (data and data ~= '0') then return nil end
  local own, stamps = readRuns(at, count)
  if not own or not isColumn(ARGV[at + 2], #own) then return nil end
  -- At the end of the stock the campaign may be over.
  local isOut = kind == 'codes' and pool == '0' or kind ~= 'codes' and total and tonumber(lastSerial) >= tonumber(total)
  if isOut and tonumber(reserved) == #own then return nil end
  local writes = issuedRecords(own, readAll(KEYS[key + 2], own), stamps, ARGV[at + 2])
  if not writes then return nil end
  -- First what frees memory: then Redis lets the rest through.
  writeAll('ZREM', KEYS[key + 4], own)
  writeAll('HSET', KEYS[key + 2], writes)
  redis.call('HSET', KEYS[key + 1], 'reserved', whole(reserved - #own), 'issued', whole(issued + #own))
  return { 'ok', '0', 'confirmed' }
end
