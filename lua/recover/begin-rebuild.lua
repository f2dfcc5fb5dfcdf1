-- Begins to make a campaign's state again, or takes over from a run that stopped before it loaded codes. From here on
-- nothing serves, and a process with a reservation of the old epoch can do nothing with it. The old grants are put
-- aside: they hold the promises; and so are the codes that were known.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended old kept known
-- ARGV     from random generation definition, then for each field: name value; from is the epoch that is known, or
--          empty
-- RETURNS  stale_epoch, the epoch that is there; or lacks, the needs that are there; or building, epoch, phase, cursor,
--          the campaign's stamp; or done, epoch
-- WRITES   campaign grants senders leases returned pool data codes queue tickets presence ended old kept known
-- COST     O(loads of the pool, freed coupons and dropped codes)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, codesKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local queueKey, ticketsKey, presenceKey, endedKey, oldKey, keptKey, knownKey = KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13], KEYS[14], KEYS[15]
local from, random, generation, definition = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local FIRST, STRIDE = 5, 2
--- @include "include/stamp"
--- @include "include/keep-line"
--- @include "include/updated"
--- @include "include/named-fields"
--- @include "include/dropped"

local known = campaign.epoch or ''
local number, suffix = string.match(known, '^(%d+)-(.*)$')
if suffix == random and not campaign.building then return { 'done', known } end
if suffix ~= random and known ~= from then return { 'stale_epoch', known } end
local progress = redis.call('HMGET', campaignKey, 'phase', 'cursor')
if suffix == random then return { 'building', known, progress[1], progress[2], integer(campaign.stamp) } end

-- Later than the one that is there, whatever its caller knows: no process ever goes back to a lower generation.
local epoch = integer(math.max(generation, (tonumber(number) or 0) + 1)) .. '-' .. random
-- A pool that codes were loaded into is made anew: they may be those of another list.
local isLoaded = campaign.kind == 'codes' and progress[1] ~= 'old' and progress[1] ~= 'rows'
if campaign.building == definition and not isLoaded then
  redis.call('HSET', campaignKey, 'epoch', epoch)
  return { 'building', epoch, progress[1], progress[2], integer(campaign.stamp) }
end

local rules = {}
for i = FIRST, #ARGV, STRIDE do rules[ARGV[i]] = ARGV[i + 1] end
-- A process may bring a hook in. One that lacks a hook would drop it, and what was promised would not be delivered.
for need in string.gmatch(campaign.needs or '', '%a+') do
  if not string.find(rules.needs or '', need, 1, true) then return { 'lacks', campaign.needs } end
end
local fields = { 'epoch', epoch, 'format', FORMAT, 'verified', '0', 'building', definition, 'phase', 'old', 'cursor', '0', 'scan', '0' }
for _, name in ipairs({ 'revoked', 'replaced', 'freed', 'lastSerial', 'reserved', 'issued', 'withdrawn', 'returned', 'pool', 'codes', 'senders' }) do
  fields[#fields + 1] = name
  fields[#fields + 1] = '0'
end
local stamp = integer(nextStamp())
fields[#fields + 1], fields[#fields + 2] = 'stamp', stamp
keepUpdated(rules)
local isSame = campaign.kind == 'counted' and campaign.opened and campaign.opened == tonumber(rules.opened)
for name, value in pairs(rules) do
  -- Restocked units are part of the total, as long as the campaign itself is remembered; so is its pace. How many units
  -- were returned is known from the rows.
  if name == 'total' and isSame then value = integer(campaign.total - (campaign.replaced or 0)) end
  if not isPace(name) or known == '' then
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
end
redis.call('HSET', campaignKey, unpack(fields))
for _, name in ipairs({ 'opensAt', 'closesAt', 'needs', 'saveMode', 'generate', 'opened', 'room', 'validity', 'store', 'openedWith' }) do
  if not rules[name] then redis.call('HDEL', campaignKey, name) end
end
if rules.kind == 'unlimited' then redis.call('HDEL', campaignKey, 'total') end
-- How far each load came says nothing of the pool that is made now. The rows name the freed coupons. An expiry that a
-- close had set is set again by settling.
local names = namedFields({ 'load', 'freed', 'dropped' })
for _, name in ipairs(names.load) do redis.call('HDEL', campaignKey, 'load:' .. name) end
dropFreed(names.freed, names.dropped)
redis.call('PERSIST', campaignKey)
if not isSame then redis.call('HDEL', campaignKey, 'removed') end

local aside = isOf(redis.call('TYPE', grantsKey), 'hash') and redis.call('EXISTS', oldKey) == 0
if aside then redis.call('RENAME', grantsKey, oldKey) end
-- Users who lost their unit in a run before keep the place that it had.
if not campaign.building or redis.call('EXISTS', oldKey) == 0 then redis.call('UNLINK', keptKey) end
aside = isOf(redis.call('TYPE', codesKey), 'set') and redis.call('EXISTS', knownKey) == 0
if aside then redis.call('RENAME', codesKey, knownKey) end
-- The data of reservations waits in its place for them.
local data = isOf(redis.call('TYPE', dataKey), 'hash') and redis.call('EXISTS', oldKey) == 1 and redis.call('HLEN', dataKey) or 0
if data == 0 then redis.call('UNLINK', dataKey) end
redis.call('HSET', campaignKey, 'data', integer(data))
if not lineCanStay(rules.room) then dropLine(rules.room) end
redis.call('UNLINK', grantsKey, sendersKey, leasesKey, returnedKey, poolKey, codesKey)
-- No grant has these codes any more, and they may be known.
if rules.kind == 'codes' then
  for _, code in ipairs(names.dropped) do redis.call('SADD', codesKey, code) end
  redis.call('HSET', campaignKey, 'codes', integer(#names.dropped), 'withdrawn', integer(#names.dropped))
end
return { 'building', epoch, 'old', '0', stamp }
