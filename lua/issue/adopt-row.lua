-- Writes rows of the database back to grants that Redis had forgotten, takes their units from where they are, and gives
-- the units reserved in their place back, unless the row has that very unit or it was delivered (then it is withdrawn).
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     epoch, then for each reservation: field id stamp delivered rowField rowId rowSerial rowIssuedAt rowCode
--          rowBecame rowReturned
-- RETURNS  missing | stale_epoch, alone; or ok, the campaign's stamp, ended, then for each: adopted | issued |
--          taken_over | retaken | gone
-- WRITES   leases grants data returned pool codes campaign
-- COST     O(reservations * (log leases + the first and last 500 free units) + 1,000 units that are skipped)
local campaignKey, grantsKey, leasesKey, returnedKey, poolKey, dataKey, codesKey = KEYS[1], KEYS[2], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local epoch = ARGV[1]
local FIRST, STRIDE = 2, 11
--- @include "include/stamp"
--- @include "include/epoch"
--- @include "include/freed"
--- @include "include/grants"
--- @include "include/row-unit"
--- @include "include/data"
--- @include "include/held"
--- @include "include/finish"

local refusal = mismatch(epoch)
if refusal then return { refusal } end

local fields, rowFields = named(FIRST, STRIDE), named(FIRST + 4, STRIDE)
for _, field in ipairs(rowFields) do fields[#fields + 1] = field end
local records = readRecords(fields)
local reply, ended, units, rows = { 'ok', '', '0' }, {}, {}, {}

local function adopt(field, record, delivered, rowField, row)
  records[field] = nil
  ended[#ended + 1] = field
  row.hasUnit = record.serial == row.serial
  -- Another of the user's grants may stand there by now; its own save will meet its own row, and find its unit in nobody's hands.
  local stands = records[rowField]
  if not row.hasUnit and not delivered then units[#units + 1] = record
  elseif not row.hasUnit or stands then campaign.withdrawn = campaign.withdrawn + 1 end
  if stands then return end
  rows[#rows + 1] = row
  countRow(row)
  if row.became == 'freed' then return end
  records[rowField] = row
  setGrant(rowField, encodeRecord(row))
end

for i = FIRST, #ARGV, STRIDE do
  local field, id, stamp, delivered, rowField, rowId, rowSerial, rowIssuedAt, rowCode, became, returned = unpack(ARGV, i, i + STRIDE - 1)
  local word = lookAt(records[field], id, stamp)
  if word == 'held' then
    local row = rowRecord(rowId, rowSerial, rowIssuedAt, rowCode, became, returned)
    adopt(field, records[field], delivered == '1', rowField, row)
  end
  reply[#reply + 1] = word == 'held' and 'adopted' or word
end

-- A key of the wrong type refuses here, before the first write.
redis.call('LLEN', freeKey)
redis.call('SCARD', codesKey)
readData({ ended[1] })
if #ended > 0 then
  writeAll('ZREM', leasesKey, ended)
  writeAll('HDEL', grantsKey, ended)
  dropData(ended)
  writeGrants()
  giveBack(units)
  takeUnitsOf(rows)
  writeFreed()
  campaign.reserved = campaign.reserved - #ended
  raiseStamp()
  reply[3] = finish()
end
reply[2] = integer(campaign.stamp)
return { unpack(reply) }
