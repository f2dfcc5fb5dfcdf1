-- Takes over reservations whose lease ran out, then those that wait in line: a new stamp fences their former owner off,
-- a new lease begins. A worker keeps to the pace of the campaign: all processes together claim no more per second. Time
-- without a claim adds at most a tenth of a second's worth.
--
-- KEYS     campaign grants senders leases returned pool data
-- ARGV     epoch fence perUser limit paced; paced is 1 to keep to the pace
-- RETURNS  missing | rebuilding | stale_epoch | stale_rules | rolled_back, alone; or ok, the campaign's stamp, ms until
--          the pace allows the next claim (0 without a cap), how many revocations are announced, nowMs; then columns
--          with a text for each and U+0000 between: fields, records from their tries on and without their stamp, which
--          is the campaign's; then data, a line for each, or empty where nobody has any
-- WRITES   grants leases campaign
-- COST     O(limit * log leases)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch, fence, perUser, limit, paced = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
--- @include "include/stamp"
--- @include "include/ready"
--- @include "include/record"
--- @include "include/grants"
--- @include "include/data"
--- @include "include/due"
--- @include "include/pace"
--- @include "include/cap"

local refusal = unready(epoch, fence)
if refusal then return { refusal } end
-- The rows of the user in the database are judged by it.
if campaign.perUser ~= perUser then return { 'stale_rules' } end

local perSecond = paced == '1' and tonumber(pace.savesPerSecond)
local every, usedUpTo, allowed = underCap(perSecond, campaign.savesAt, limit)
if perSecond and (campaign.savesAt or 0) > nowMicros then redis.call('HSET', campaignKey, 'savesAt', integer(nowMicros)) end

-- Half for reservations claimed before, half for the backlog, and the rest of one for the other. So repeated failures
-- of one do not block the other. A single place goes to either by chance.
local due, count = {}, 0
local function take(low, high, skip, most)
  if most <= 0 then return end
  local more = redis.call('ZRANGEBYSCORE', leasesKey, low, high, 'LIMIT', integer(skip), integer(most))
  for _, field in ipairs(more) do
    count = count + 1
    due[count] = field
  end
end
local half = allowed == 1 and nowMicros % 2 or math.floor(allowed / 2)
take(LINE_END, integer(nowMs), 0, half)
local before = count
take('-inf', LINE_END, 0, allowed - count)
take(LINE_END, integer(nowMs), before, allowed - count)
local texts, data = readTexts(due), readData(due)
local stamp = integer(nextStamp())
local lease = integer(nowMs + campaign.leaseMs)
local fields, rests, lines, match = {}, {}, {}, string.match
for i = 1, count do
  local field = due[i]
  -- All but the state and the stamp.
  local tries, rest = match(texts[field] or 'i', '^[rt](%d*):%d+(:.*)$')
  if rest then
    setGrant(field, 't' .. tries .. ':' .. stamp .. rest, lease)
    fields[granted], rests[granted], lines[granted] = field, tries .. rest, data[field] or ''
  end
end

-- ZREM first: it is allowed when memory is full, and once a script wrote something, all its writes are.
if granted > 0 then
  redis.call('ZREM', leasesKey, fields[1])
  writeGrants()
  campaign.stamp = tonumber(stamp)
  usedUpTo = usedUpTo + granted * every
  if perSecond then redis.call('HSET', campaignKey, 'savesAt', integer(usedUpTo)) end
  saveCounters()
end
local waitMs = perSecond and msUntilNext(every, usedUpTo) or '0'
local given = next(data) and table.concat(lines, '\n') or ''
local revoking = integer(campaign.revoking or 0)
return { 'ok', integer(campaign.stamp), waitMs, revoking, integer(nowMs), table.concat(fields, '\0'), table.concat(rests, '\0'), given }
