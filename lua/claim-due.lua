-- Takes over reservations whose lease ran out: a new stamp fences their former owner off, a new lease begins.
--
-- KEYS     campaign grants senders leases returned pool
-- ARGV     epoch fence limit
-- RETURNS  missing | stale_epoch | rolled_back, alone; or ok, the campaign's stamp, then for each: field, record
-- WRITES   grants leases campaign
-- COST     O(limit * log leases)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local epoch, fence, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3]
--- @include "include/now"
--- @include "include/campaign"
--- @include "include/ready"
--- @include "include/record"
--- @include "include/write"

local refusal = unready(epoch, fence)
if refusal then return { refusal } end

local due = redis.call('ZRANGEBYSCORE', leasesKey, '-inf', integer(nowMs), 'LIMIT', 0, limit)
local records = readRecords(due)
local stamp = integer(math.max(nowMicros, campaign.stamp + 1))
local lease = integer(nowMs + campaign.leaseMs)
local reply, grantWrites, leaseWrites = { 'ok', '' }, {}, {}
for _, field in ipairs(due) do
  local record = records[field]
  if record and record.state ~= 'i' then
    record.state = 't'
    record.stamp = stamp
    local text = encodeRecord(record)
    grantWrites[#grantWrites + 1] = field
    grantWrites[#grantWrites + 1] = text
    leaseWrites[#leaseWrites + 1] = lease
    leaseWrites[#leaseWrites + 1] = field
    reply[#reply + 1] = field
    reply[#reply + 1] = text
  end
end

if #grantWrites > 0 then
  writeAll('HSET', grantsKey, grantWrites)
  writeAll('ZADD', leasesKey, leaseWrites)
  campaign.stamp = tonumber(stamp)
  saveCounters()
end
reply[2] = integer(campaign.stamp)
return { unpack(reply) }
