-- Gives another unit to users whose unit the database gave to another user, stretch by stretch. Then the campaign
-- serves. If no unit is left for a user, the user is named, and leaves with the call that says so: a reply may be lost.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended old kept known
-- ARGV     epoch fence limit, then for each named: field
-- RETURNS  missing | stale_epoch | rolled_back, alone; or more, 0, then for each user without a unit who was not named:
--          field, record; or done, ended
-- WRITES   campaign grants leases returned pool data old kept known
-- COST     O(limit * log leases)
local campaignKey, grantsKey, leasesKey, returnedKey, poolKey, dataKey, oldKey, keptKey, knownKey =
  KEYS[1], KEYS[2], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[13], KEYS[14], KEYS[15]
local epoch, fence, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local FIRST = 4
--- @include "include/epoch"
--- @include "include/record"
--- @include "include/grants"
--- @include "include/data"
--- @include "include/finish"

local refusal = mismatch(epoch, fence)
if refusal then return { refusal } end
if not campaign.building then return { 'done', '0' } end

local first = redis.call('HMGET', campaignKey, 'phase')[1] ~= 'losers'
-- Units removed by a restock are not offered again, although their serials are free. They leave the returned units;
-- others lie beyond the last serial.
local away, removed = 0, campaign.removed or 0
if first and removed > 0 then
  away = math.min(removed, campaign.returned)
  campaign.total = campaign.total - math.min(removed - away, campaign.total - campaign.lastSerial)
  campaign.returned, campaign.removed = campaign.returned - away, away
end
local losers = redis.call('ZRANGEBYSCORE', keptKey, '-inf', '0', 'LIMIT', 0, limit)
local records = readRecords(losers)
takeUnits(#losers)
local reply, lost, served, isNamed = { 'more', '0' }, {}, {}, {}
for i = FIRST, #ARGV do isNamed[ARGV[i]] = true end
for _, field in ipairs(losers) do
  local record = records[field]
  local serial, pooled = takeUnit()
  if serial then
    record.serial = serial
    if fromPool then record.code = pooled end
    setGrant(field, encodeRecord(record))
    served[#served + 1] = field
  elseif isNamed[field] then
    lost[#lost + 1] = field
  else
    reply[#reply + 1] = field
    reply[#reply + 1] = encodeRecord(record)
  end
end
local done = #losers < tonumber(limit) and #reply == 2

-- A key of the wrong type refuses here, before the first write; full memory at the first one, which changes nothing.
redis.call('HLEN', grantsKey)
redis.call('ZCARD', leasesKey)
redis.call('LLEN', returnedKey)
redis.call('LLEN', poolKey)
readData({ losers[1] })
redis.call('HSET', campaignKey, 'phase', 'losers')
if away > 0 then redis.call('LTRIM', returnedKey, 0, integer(-away - 1)) end
if first and removed > 0 then
  redis.call('HSET', campaignKey, 'total', integer(campaign.total), 'removed', integer(away))
end
writeGrants()
writeTaken()
writeAll('HDEL', grantsKey, lost)
dropData(lost)
writeAll('ZREM', leasesKey, lost)
for _, gone in ipairs({ lost, served }) do writeAll('ZREM', keptKey, gone) end
campaign.reserved = campaign.reserved - #lost
if not done then
  saveCounters()
  return { unpack(reply) }
end
if fromPool then
  redis.call('UNLINK', returnedKey)
  campaign.returned = 0
  campaign.total = campaign.pool + campaign.reserved + campaign.issued + campaign.withdrawn
  redis.call('HSET', campaignKey, 'total', integer(campaign.total))
end
redis.call('UNLINK', oldKey, keptKey, knownKey)
redis.call('HSET', campaignKey, 'verified', '1')
redis.call('HDEL', campaignKey, 'building', 'phase', 'cursor', 'scan')
return { 'done', finish() }
