-- Removes every key of a campaign that is over. UNLINK frees the memory in the background, however much it is.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     epoch
-- RETURNS  missing | partial (keys of a lost campaign are there) | rebuilding | stale_epoch | not_closed | reserved,
--          alone; or done, exactNow, closedAt
-- WRITES   campaign grants senders leases returned pool data codes queue tickets presence ended
-- COST     O(1)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, codesKey, queueKey, ticketsKey, presenceKey, endedKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local epoch = ARGV[1]
--- @include "include/epoch"
--- @include "include/left-behind"
--- @include "include/window"

if not campaign.epoch and anyLeft() then return { 'partial' } end
if campaign.building then return { 'rebuilding' } end
local refusal = mismatch(epoch)
if refusal then return { refusal } end
local shut, closedAt = shutNow()
if shut ~= 'closed' then return { 'not_closed' } end
if campaign.reserved > 0 then return { 'reserved' } end
redis.call('UNLINK', campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, codesKey)
redis.call('UNLINK', queueKey, ticketsKey, presenceKey, endedKey)
return { 'done', exactNow(), integer(closedAt) }
