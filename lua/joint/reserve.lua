-- usual: a reserve in which nothing is unusual. It writes what the script would, and replies the same in a word for all
-- users: in_order, and the record of the first one follows; all are new, with grant 1 and the next serials. Or sold_out.
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000000.0 + tonumber(time[2])
local clockMs = tonumber(time[1]) * 1000.0 + math.floor(tonumber(time[2]) / 1000)
local takenAt = whole(clockMs)

-- The numbers, the texts, and what no usual campaign has, or has as 0.
local NAMES = {
  'stamp', 'lastSerial', 'reserved', 'issued', 'senders', 'leaseMs', 'total', 'opensAt', 'closesAt',
  'epoch', 'format', 'verified', 'perUser', 'kind', 'needs', 'generate',
  'returned', 'data', 'freed', 'paused', 'closedAt', 'saveMode', 'room',
}
local LAST_NUMBER, FIRST_UNUSUAL = 9, 17

-- The fields of a campaign that serves under this epoch, did not go back, and has no other rules than these; or nil.
local function usualFields(campaignKey, epoch, fence)
  local fields = readAll(campaignKey, NAMES)
  for i = FIRST_UNUSUAL, #NAMES do
    if fields[i] and fields[i] ~= '0' then return nil end
  end
  if fields[10] ~= epoch or fields[11] ~= FORMAT or fields[12] ~= '1' or fields[13] ~= '1' or fields[14] == 'codes' then return nil end
  for i = 1, LAST_NUMBER do fields[i] = fields[i] and tonumber(fields[i]) + 0.0 end
  local isOpen = clockMs >= (fields[8] or 0) and (not fields[9] or clockMs < fields[9])
  return isOpen and fields[1] >= fence and fields or nil
end

-- The fields of users that have nothing, each of whom stands once; or nil.
local function newUsers(grantsKey, users)
  local own = addColumn({}, users, '1:', {})
  local texts = own and readAll(grantsKey, own)
  for i = 1, own and #own or 0 do
    if texts[i] then return nil end
  end
  return own
end

-- Their records, with the next serials, and their leases. Nil if one lacks its code.
local function newRecords(own, ids, codes, facts)
  local middle = ':' .. takenAt .. ':'
  local nextCode = codes ~= '' and string.gmatch(codes, '%Z+')
  local grants, leases = {}, {}
  for i = 1, #own do
    local code = not nextCode and '' or nextCode()
    if not code then return nil end
    grants[2 * i - 1], grants[2 * i] = own[i], facts.head .. whole(facts.serial + i) .. middle .. idAt(ids, i) .. ':' .. code
    if facts.lease then leases[2 * i - 1], leases[2 * i] = facts.lease, own[i] end
  end
  return grants, leases
end

local function usual(key, at)
  local campaignKey, grantsKey, sendersKey, leasesKey = KEYS[key + 1], KEYS[key + 2], KEYS[key + 3], KEYS[key + 4]
  local sender, call, ids, codes = ARGV[at + 3], ARGV[at + 4], ARGV[at + 8], ARGV[at + 9]
  if ARGV[at + 6] ~= '1' or ARGV[at + 10] ~= '' then return nil end
  local fields = usualFields(campaignKey, ARGV[at + 1], tonumber(ARGV[at + 2]))
  if not fields then return nil end
  local stamp, serial, reserved, issued, senders, leaseMs, total = unpacked(fields, 1, 7)
  local needs, generates = fields[15], fields[16] == '1'
  if redis.call('HLEN', grantsKey) ~= reserved + issued or redis.call('ZCARD', leasesKey) ~= reserved
    or redis.call('HLEN', sendersKey) ~= senders then return nil end
  -- Nothing came back, and there is no pool: any other key in these places is for the script.
  if redis.call('LLEN', KEYS[key + 5]) + redis.call('LLEN', KEYS[key + 6]) > 0 then return nil end
  local seen = readAll(sendersKey, { sender })[1]
  if seen and tonumber(string.match(seen, '^%d+')) >= tonumber(call) then return nil end
  local own = newUsers(grantsKey, ARGV[at + 7])
  if not own or not isColumn(ids, #own) or generates ~= (codes ~= '') then return nil end

  local isOut, first, count = total and serial >= total, math.max(clock, stamp + 1), #own
  -- With the last unit the campaign may be over.
  if not isOut and total and serial + count >= total + (needs and 1 or 0) then return nil end
  local lease = needs and whole(clockMs + leaseMs)
  local facts = { head = (lease and 'r:' or 'i:') .. whole(first) .. ':', serial = serial, lease = lease }
  local grants, leases
  if not isOut then
    grants, leases = newRecords(own, ids, codes, facts)
    if not grants then return nil end
  end
  redis.call('HSET', sendersKey, sender, call .. ':' .. whole(first) .. (isOut and ':0' or ':1'))
  if not seen then redis.call('HINCRBY', campaignKey, 'senders', 1) end
  if isOut then return { 'ok', whole(stamp), '0', '', 'sold_out' } end
  writeAll('HSET', grantsKey, grants)
  writeAll('ZADD', leasesKey, leases)
  local counter, before = lease and 'reserved' or 'issued', lease and reserved or issued
  redis.call('HSET', campaignKey, 'stamp', whole(first + 1), 'lastSerial', whole(serial + count), counter, whole(before + count))
  return { 'ok', whole(first + 1), '0', '', 'in_order', grants[2] }
end
