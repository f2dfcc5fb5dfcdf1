-- Carries one stretch of the old grants over to the state that is being made: each keeps its unit as a reservation that
-- nobody gives back, until the rows of the database decide. A marked one is no promise: if its row is gone, nobody gets
-- the coupon, and its code, which may be known, goes to nobody else.
--
-- KEYS     campaign grants leases codes old kept
-- ARGV     epoch fence limit
-- RETURNS  missing | stale_epoch | rolled_back, alone; or more | done, the campaign's stamp
-- WRITES   campaign grants leases codes old kept
-- COST     O(limit * log grants)
local campaignKey, grantsKey, leasesKey, codesKey, oldKey, keptKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local epoch, fence, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3]
--- @include "include/stamp"
--- @include "include/epoch"
--- @include "include/record"
--- @include "include/grants"
--- @include "include/due"
--- @include "include/listed"
--- @include "include/known-codes"
--- @include "include/dropped"

local refusal = mismatch(epoch, fence)
if refusal then return { refusal } end
local progress = redis.call('HMGET', campaignKey, 'phase', 'scan')
if not campaign.building or progress[1] ~= 'old' then return { 'done', integer(campaign.stamp) } end

local page = redis.call('HSCAN', oldKey, progress[2], 'COUNT', limit)
local old, fields = listed(page[2]), {}
for i = 1, #old, 2 do fields[#fields + 1] = old[i] end

local there = readRecords(fields)
local keptWrites, codes, marked = {}, {}, {}
for i = 1, #old, 2 do
  local field, record = old[i], decodeRecord(old[i + 1])
  -- Who lost their unit to a row has no code until the end.
  if record.serial and record.code ~= '' then
    if campaign.kind == 'codes' then codes[#codes + 1] = record.code end
    if isMarked(record) then marked[#marked + 1] = record.code end
  end
  if record.serial and not isMarked(record) and not there[field] then
    there[field] = record
    -- Issued at once by a campaign without hooks: it stays issued, whatever the rebuild needs.
    if record.state == 'i' then record.stamp = '0' end
    record.state = 't'
    setGrant(field, encodeRecord(record), inLine(tonumber(record.stamp)))
    -- Such a user keeps the place that the unit had.
    if record.serial ~= '0' or type(redis.call('ZSCORE', keptKey, field)) ~= 'string' then
      keptWrites[#keptWrites + 1], keptWrites[#keptWrites + 2] = record.serial, field
    end
  end
end

-- A key of the wrong type refuses here, before the first write.
redis.call('ZCARD', leasesKey)
redis.call('ZCARD', keptKey)
redis.call('SCARD', codesKey)
writeGrants()
writeAll('ZADD', keptKey, keptWrites)
knowCodes(codes, {})
-- Until their rows come.
for _, code in ipairs(marked) do dropCode(code) end
campaign.reserved = campaign.reserved + granted
campaign.stamp = nextStamp()
local finished = page[1] == '0'
local phase = finished and 'rows' or 'old'
redis.call('HSET', campaignKey, 'phase', phase, 'scan', page[1])
saveCounters()
if finished then redis.call('UNLINK', oldKey) end
return { finished and 'done' or 'more', integer(campaign.stamp) }
