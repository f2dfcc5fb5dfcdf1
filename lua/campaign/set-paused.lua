-- Pauses or resumes a campaign. The call number keeps a late copy of an earlier call from undoing a later one.
--
-- KEYS     campaign senders
-- ARGV     epoch sender call paused
-- RETURNS  missing | rebuilding | stale_epoch | closed | lapsed, alone; or done, the campaign's stamp
-- WRITES   senders campaign
-- COST     O(1)
local campaignKey, sendersKey = KEYS[1], KEYS[2]
local epoch, sender, call, paused = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
--- @include "include/stamp"
--- @include "include/serving"
--- @include "include/call"

local refusal = unserved(epoch)
if refusal then return { refusal } end
if campaign.closedAt then return { 'closed' } end
if repeated then return { 'lapsed' } end
noteCall()
if campaign.paused ~= paused then
  raiseStamp()
  redis.call('HSET', campaignKey, 'paused', paused)
  saveCounters()
end
return { 'done', integer(campaign.stamp) }
