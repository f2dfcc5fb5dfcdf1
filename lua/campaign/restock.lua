-- Changes how many units a counted campaign has. Fewer only over units nobody has: those never taken first, then those
-- that came back. A change is made once, whatever becomes of its reply: its request id is kept.
--
-- KEYS     campaign grants senders leases returned pool data
-- ARGV     epoch fence requestId add
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back | closed | not_counted | another_change | too_many, alone;
--          or too_few, available; or done, total, available, the campaign's stamp
-- WRITES   campaign returned
-- COST     O(units taken away)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch, fence, requestId, add = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
--- @include "include/stamp"
--- @include "include/ready"
--- @include "include/stock"

local refusal = unready(epoch, fence)
if refusal then return { refusal } end
if campaign.kind ~= 'counted' then return { 'not_counted' } end

local changeField = 'restock:' .. requestId
local before = redis.call('HMGET', campaignKey, changeField)[1]
if type(before) == 'string' then
  if tonumber(before) ~= add then return { 'another_change' } end
elseif campaign.closedAt then
  return { 'closed' }
else
  if available() + add < 0 then return { 'too_few', integer(available()) } end
  if campaign.total + add > 9007199254740991 then return { 'too_many' } end
  local old = math.max(0, -add - (campaign.total - campaign.lastSerial))
  campaign.total = campaign.total + add + old
  campaign.removed = (campaign.removed or 0) + old
  campaign.returned = campaign.returned - old
  -- A later stamp, so that a process which saw this change notices a state that has lost it.
  campaign.stamp = nextStamp()
  redis.call('HSET', campaignKey, changeField, integer(add), 'removed', integer(campaign.removed))
  if old > 0 then redis.call('LTRIM', returnedKey, 0, integer(-old - 1)) end
  saveCounters()
end
return { 'done', integer(campaign.total - (campaign.removed or 0) - (campaign.replaced or 0)), integer(available()), integer(campaign.stamp) }
