-- Reads a campaign: its definition, its counters, its pace, whether its keys are whole, how much waits to be settled, and
-- since when.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     none
-- RETURNS  missing, nowMs; or ok, nowMs, whole (1 or 0), then pairs: name value
-- WRITES   nothing
-- COST     O(log leases)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, codesKey, queueKey, ticketsKey, presenceKey, endedKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
--- @include "include/ready"
--- @include "include/room"
--- @include "include/pace"
--- @include "include/record"
--- @include "include/due"

-- Reservations that are due, since when the oldest of them is reserved, and how many only an operator acts on.
local function waiting()
  -- The head of the line, and the head of those that were claimed before.
  local heads = redis.call('ZRANGEBYSCORE', leasesKey, '-inf', LINE_END, 'LIMIT', 0, 1)
  heads[#heads + 1] = redis.call('ZRANGEBYSCORE', leasesKey, LINE_END, integer(nowMs), 'LIMIT', 0, 1)[1]
  local records, oldest = readRecords(heads), nil
  for _, field in ipairs(heads) do
    local issuedAt = records[field] and tonumber(records[field].issuedAt)
    if issuedAt and (not oldest or issuedAt < oldest) then oldest = issuedAt end
  end
  return {
    backlog = redis.call('ZCOUNT', leasesKey, '-inf', integer(nowMs)),
    quarantined = redis.call('ZCOUNT', leasesKey, NEVER, '+inf'),
    oldest = oldest,
  }
end

if not campaign.epoch then return { 'missing', integer(nowMs) } end
-- Only loading needs the codes, so a key of another type in their place is said and nothing more.
local kind = redis.call('TYPE', codesKey)
if type(kind) == 'table' then kind = kind.ok end
local known = kind == 'set' and redis.call('SCARD', codesKey) or (kind == 'none' and 0 or -1)
local whole = unready(campaign.epoch, 0) == nil and known == campaign.codes and lineIsWhole()
local reply = { 'ok', integer(nowMs), whole and '1' or '0' }
-- What it was opened with, where that has changed since; and how long a coupon is valid.
local names, others = { 'openedWith', 'validity' }, {}
for i, value in ipairs(redis.call('HMGET', campaignKey, unpack(names))) do
  if type(value) == 'string' then others[names[i]] = value end
end
for _, fields in ipairs({ campaign, campaign.room and room or {}, pace, others, whole and waiting() or {} }) do
  for name, value in pairs(fields) do
    reply[#reply + 1] = name
    reply[#reply + 1] = type(value) == 'number' and integer(value) or value
  end
end
return { unpack(reply) }
