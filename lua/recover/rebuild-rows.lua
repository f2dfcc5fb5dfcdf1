-- Writes one stretch of the database's rows, (after, upTo], into the state that is being made. A row always wins: over
-- the promise of its coupon, and over another holder of its unit. A promise to another coupon of its user moves to
-- another grant, if there is one. Serials that nobody has are free again. The unit of a freed grant is withdrawn: its
-- row names no grant, so its promise is found by its id. A user leaves the line whose ticket has this id, or who may
-- have no other coupon beside it: their place would keep another user out.
--
-- KEYS     campaign grants leases returned codes queue tickets presence ended data kept
-- ARGV     epoch fence after upTo told, then for each row: field id serial issuedAt code became returned; told is 1 where
--          the promises of `recall` are known
-- RETURNS  missing | stale_epoch | rolled_back | beyond (a serial above the total), alone; or recall, then for each
--          promise whose unit was delivered, and leaves it: field, record, data (or empty), and nothing is written; or
--          ok, cursor, the highest serial promised beyond it, the campaign's stamp
-- WRITES   campaign grants leases returned codes queue tickets presence ended data kept
-- COST     O((upTo - after) * (perUser + log grants))
local campaignKey, grantsKey, leasesKey, returnedKey, codesKey, queueKey, ticketsKey, presenceKey, endedKey, dataKey, keptKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local epoch, fence, after, upTo, told = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local FIRST, STRIDE, BELOW = 6, 7, 9007199254740992
--- @include "include/stamp"
--- @include "include/epoch"
--- @include "include/freed"
--- @include "include/grants"
--- @include "include/data"
--- @include "include/named"
--- @include "include/stretch"
--- @include "include/known-codes"
--- @include "include/served"
--- @include "include/returned-unit"

local refusal = mismatch(epoch, fence)
if refusal then return { refusal } end
local progress = redis.call('HMGET', campaignKey, 'phase', 'cursor')
local function answer(cursor)
  local last = redis.call('ZREVRANGE', keptKey, 0, 0, 'WITHSCORES')
  return { 'ok', integer(cursor), integer(math.max(0, tonumber(last[2] or '0'))), integer(campaign.stamp) }
end
if not campaign.building or progress[1] ~= 'rows' then return { 'stale_epoch' } end
if after == upTo or after ~= tonumber(progress[2]) then return answer(tonumber(progress[2])) end
-- One character for each.
addReturned(#table.concat(named(FIRST + 6, STRIDE)))
if campaign.kind == 'counted' and upTo > campaign.total then return { 'beyond' } end

readHolders()
local records = readRecords(promisesOf(FIRST, STRIDE))
local issued, losers = {}, {}
local fromPool = campaign.kind == 'codes'

local rows = {}
for i = FIRST, #ARGV, STRIDE do
  local field, id, serial, issuedAt, code, became = unpack(ARGV, i, i + STRIDE - 1)
  local row = rowRecord(id, serial, issuedAt, code, became)
  rows[serial] = row
  -- Of all rows first: others may move to the grants that they leave.
  endPromise(records, field, row)
  countRow(row)
  if code ~= '' then issued[#issued + 1] = code end
end
for i = FIRST, #ARGV, STRIDE do
  local field, row = ARGV[i], rows[ARGV[i + 2]]
  if ARGV[i + 5] ~= 'freed' then
    makeWay(records, field, row)
    records[field] = row
    setGrant(field, encodeRecord(row))
  end
end

for serial = after + 1, upTo do
  local name = integer(serial)
  local row, left = rows[name], holders[name] or {}
  if not row and #left == 0 then freed[#freed + 1] = name end
  -- Somebody else has the unit that these users were promised: they get another one in the end.
  -- Until then their places are below all serials, in the order of the units that they lost.
  for i = row and 1 or 2, #left do
    local field = left[i]
    local loser = records[field]
    takeAway(field, loser)
    if row and loser.code ~= row.code then drop(loser.code) end
    loser.serial = '0'
    -- It is no longer told that it was issued.
    if loser.stamp == '0' then loser.stamp = '1' end
    if fromPool then loser.code = '' end
    losers[#losers + 1] = integer(serial - BELOW)
    losers[#losers + 1] = field
    setGrant(field, encodeRecord(loser))
  end
end
if told ~= '1' and #takenAway > 0 then return { 'recall', unpack(takenAway) } end
local leaving = served(FIRST, STRIDE)

-- A key of the wrong type refuses here, before the first write.
redis.call('LLEN', returnedKey)
redis.call('ZCARD', leasesKey)
readData({ ended[1] })
redis.call('SCARD', codesKey)
writeGrants()
writeAll('HDEL', grantsKey, withoutRow(records))
writeAll('ZREM', leasesKey, ended)
writeAll('ZREM', keptKey, ended)
dropData(ended)
writeHomes()
writeAll('ZADD', keptKey, losers)
writeAll('RPUSH', returnedKey, freed)
knowCodes(fromPool and issued or {}, unseen)
writeDropped(issued)
writeFreed()
campaign.returned = campaign.returned + #freed
campaign.lastSerial = upTo
campaign.stamp = nextStamp()
redis.call('HSET', campaignKey, 'cursor', integer(upTo))
takeOut(leaving)
saveRoom()
saveCounters()
return answer(upTo)
