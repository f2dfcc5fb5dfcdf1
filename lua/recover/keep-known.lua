-- Carries one stretch of the codes that were known before over to those known now: a code that was withdrawn, or is not given
-- again, is never offered by a later load.
--
-- KEYS     campaign codes known
-- ARGV     epoch fence limit
-- RETURNS  missing | stale_epoch | rolled_back, alone; or more | done, the campaign's stamp
-- WRITES   campaign codes known
-- COST     O(limit)
local campaignKey, codesKey, knownKey = KEYS[1], KEYS[2], KEYS[3]
local epoch, fence, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3]
--- @include "include/now"
--- @include "include/campaign"
--- @include "include/write"

if campaign.epoch ~= epoch then return { campaign.epoch and 'stale_epoch' or 'missing' } end
if campaign.stamp < fence then return { 'rolled_back' } end
local progress = redis.call('HMGET', campaignKey, 'phase', 'scan')
if not campaign.building or progress[1] == 'end' then return { 'done', integer(campaign.stamp) } end

local page = redis.call('SSCAN', knownKey, progress[1] == 'known' and progress[2] or '0', 'COUNT', limit)
local codes = {}
-- A list within a reply starts at 0 on ioredis-mock.
for i = 0, #page[2] do
  if type(page[2][i]) == 'string' then codes[#codes + 1] = page[2][i] end
end
local finished = page[1] == '0'
local stamp = integer(math.max(nowMicros, campaign.stamp + 1))
local before = redis.call('SCARD', codesKey)
redis.call('HSET', campaignKey, 'phase', finished and 'end' or 'known', 'scan', page[1], 'stamp', stamp)
writeAll('SADD', codesKey, codes)
redis.call('HSET', campaignKey, 'codes', integer(campaign.codes + redis.call('SCARD', codesKey) - before))
if finished then redis.call('UNLINK', knownKey) end
return { finished and 'done' or 'more', stamp }
