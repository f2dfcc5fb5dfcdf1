-- Gives another unit to users whose unit the database gave to another user, stretch by stretch. Then the campaign
-- serves.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended old kept
-- ARGV     epoch fence limit
-- RETURNS  missing | stale_epoch | rolled_back, alone; or more | done, ended, then for each user without a unit: field,
--          record
-- WRITES   campaign grants leases returned pool data old kept
-- COST     O(limit * log leases)
local campaignKey, grantsKey, leasesKey, returnedKey, poolKey, dataKey, oldKey, keptKey =
  KEYS[1], KEYS[2], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[13], KEYS[14]
local epoch, fence, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3]
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
local reply, lost = { 'more', '0' }, {}
for _, field in ipairs(losers) do
  local record = records[field]
  local serial, pooled = takeUnit()
  if serial then
    record.serial = serial
    if fromPool then record.code = pooled end
    setGrant(field, encodeRecord(record))
  else
    lost[#lost + 1] = field
    reply[#reply + 1] = field
    reply[#reply + 1] = encodeRecord(record)
  end
end
local done = #losers < tonumber(limit)

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
writeAll('ZREM', keptKey, losers)
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
redis.call('UNLINK', oldKey, keptKey)
redis.call('HSET', campaignKey, 'verified', '1')
redis.call('HDEL', campaignKey, 'building', 'phase', 'cursor', 'scan')
reply[1], reply[2] = 'done', finish()
return { unpack(reply) }
