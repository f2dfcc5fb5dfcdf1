-- Writes a row of the database back to a grant that Redis does not have. Its unit is taken from where it was found: free, beyond
-- the last serial, or in nobody's hands. If it is somewhere else by now, nothing is changed.
--
-- KEYS     campaign grants senders leases returned pool codes queue tickets presence ended
-- ARGV     epoch fence field id serial issuedAt code place; place is free, beyond or nobody
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back, alone; or mended | moved, alone
-- WRITES   campaign grants returned pool codes
-- COST     O(free units)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, codesKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch, fence, field, id = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local serial, issuedAt, code, place = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local MOST_SKIPPED = 1000
--- @include "include/now"
--- @include "include/campaign"
--- @include "include/ready"
--- @include "include/record"
--- @include "include/write"
--- @include "include/stock"
--- @include "include/finish"

local refusal = unready(epoch, fence)
if refusal then return { refusal } end
local number, known = tonumber(serial), redis.call('SCARD', codesKey)
if readRecords({ field })[field] then return { 'moved' } end
local skipped = number - campaign.lastSerial - 1
local room = fromPool or not campaign.total or number <= campaign.total
if place == 'beyond' and (skipped < 0 or skipped > MOST_SKIPPED or not room) then return { 'moved' } end
if place == 'nobody' and (skipped >= 0 or campaign.withdrawn == 0) then return { 'moved' } end

if place == 'free' then
  local unit = fromPool and serial .. ':' .. code or serial
  if redis.call('LREM', freeKey, 1, unit) == 0 then return { 'moved' } end
  campaign[freeCount] = campaign[freeCount] - 1
end
local record = { state = 'i', tries = '', stamp = '0', serial = serial, issuedAt = issuedAt, id = id, code = code }
redis.call('HSET', grantsKey, field, encodeRecord(record))
campaign.issued = campaign.issued + 1
if place == 'nobody' then campaign.withdrawn = campaign.withdrawn - 1 end
if place == 'beyond' then
  local free = {}
  if not fromPool then
    for between = campaign.lastSerial + 1, number - 1 do free[#free + 1] = integer(between) end
    writeAll('RPUSH', returnedKey, free)
    campaign.returned = campaign.returned + #free
  else
    redis.call('HSET', campaignKey, 'total', integer((campaign.total or 0) + 1))
  end
  campaign.lastSerial = number
end
if fromPool and code ~= '' then
  redis.call('SADD', codesKey, code)
  redis.call('HSET', campaignKey, 'codes', integer(campaign.codes + redis.call('SCARD', codesKey) - known))
end
finish()
return { 'mended' }
