-- Pauses or resumes a campaign. The call number keeps a late copy of an earlier call from undoing a later one.
--
-- KEYS     campaign senders
-- ARGV     epoch sender call paused
-- RETURNS  missing | rebuilding | stale_epoch | closed | lapsed | done, alone
-- WRITES   senders campaign
-- COST     O(1)
local campaignKey, sendersKey = KEYS[1], KEYS[2]
local epoch, sender, call, paused = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
--- @include "include/campaign"

if not campaign.epoch or campaign.verified ~= '1' then return { campaign.building and 'rebuilding' or 'missing' } end
if campaign.epoch ~= epoch then return { 'stale_epoch' } end
if campaign.closedAt then return { 'closed' } end
local seen = redis.call('HMGET', sendersKey, sender)[1]
local seenCall = type(seen) == 'string' and tonumber(string.match(seen, '^(%d+):')) or 0
if call <= seenCall then return { 'lapsed' } end
redis.call('HSET', sendersKey, sender, integer(call) .. ':0')
if seenCall == 0 then redis.call('HINCRBY', campaignKey, 'senders', 1) end
redis.call('HSET', campaignKey, 'paused', paused)
return { 'done' }
