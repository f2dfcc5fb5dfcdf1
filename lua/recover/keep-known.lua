-- Carries one stretch of the codes that were known before over to those known now: a code that was withdrawn, or is not
-- given again, is never offered by a later load. They stay aside until the end, for a run that begins anew.
--
-- KEYS     campaign codes known
-- ARGV     epoch fence limit
-- RETURNS  missing | stale_epoch | rolled_back, alone; or more | done, the campaign's stamp
-- WRITES   campaign codes
-- COST     O(limit)
local campaignKey, codesKey, knownKey = KEYS[1], KEYS[2], KEYS[3]
local epoch, fence, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3]
--- @include "include/stamp"
--- @include "include/epoch"
--- @include "include/listed"
--- @include "include/known-codes"

local refusal = mismatch(epoch, fence)
if refusal then return { refusal } end
local progress = redis.call('HMGET', campaignKey, 'phase', 'scan')
if not campaign.building or progress[1] == 'end' then return { 'done', integer(campaign.stamp) } end

local page = redis.call('SSCAN', knownKey, progress[1] == 'known' and progress[2] or '0', 'COUNT', limit)
local codes = listed(page[2])
local finished = page[1] == '0'
local stamp = integer(nextStamp())
-- A key of the wrong type refuses here, before the first write.
redis.call('SCARD', codesKey)
redis.call('HSET', campaignKey, 'phase', finished and 'end' or 'known', 'scan', page[1], 'stamp', stamp)
knowCodes(codes, {})
return { finished and 'done' or 'more', stamp }
