-- Closes a campaign for good; the first time counts. Its keys expire together once nothing is reserved.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     epoch retainMs; retainMs is empty to keep the keys
-- RETURNS  missing | rebuilding | stale_epoch | other_retention, alone; or done, the campaign's stamp, exactNow, closedAt,
--          the instant of the expiry (or empty)
-- WRITES   campaign; and the expiry of all keys
-- COST     O(1)
local campaignKey, returnedKey, poolKey = KEYS[1], KEYS[5], KEYS[6]
local epoch, retainMs = ARGV[1], ARGV[2]
--- @include "include/stamp"
--- @include "include/serving"
--- @include "include/finish"

local refusal = unserved(epoch)
if refusal then return { refusal } end
if retainMs ~= '' and campaign.retainMs and campaign.retainMs ~= tonumber(retainMs) then return { 'other_retention' } end
-- A write that is allowed when memory is full lets the others through; the expiry is set again below.
redis.call('PERSIST', campaignKey)
if not campaign.closedAt then
  campaign.closedAt = nowMs
  redis.call('HSET', campaignKey, 'closedAt', integer(nowMs))
  raiseStamp()
end
if retainMs ~= '' and not campaign.retainMs then
  campaign.retainMs = tonumber(retainMs)
  redis.call('HSET', campaignKey, 'retainMs', retainMs)
  raiseStamp()
end
finish()
local goneAt = expiresAt()
return { 'done', integer(campaign.stamp), exactNow(), integer(campaign.closedAt), goneAt and integer(goneAt) or '' }
