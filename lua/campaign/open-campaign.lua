-- Writes a campaign that does not serve yet; activate-campaign makes it serve once the database was found empty. State
-- that is there is never touched, so a late copy of this call, even after Redis lost everything, sells nothing.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     generation random, then for each field: name value
-- RETURNS  opened | exists | partial (keys of a lost campaign are there), alone
-- WRITES   campaign
-- COST     O(1)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, codesKey, queueKey, ticketsKey, presenceKey, endedKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local generation, random = ARGV[1], ARGV[2]
--- @include "include/campaign"
--- @include "include/left-behind"

if campaign.epoch then return { string.match(campaign.epoch, '^%d+-(.*)$') == random and 'opened' or 'exists' } end
if anyLeft() then return { 'partial' } end

local epoch = generation .. '-' .. random
local fields = { 'epoch', epoch, 'format', FORMAT, 'verified', '0', 'stamp', '0', 'lastSerial', '0', 'reserved', '0', 'issued', '0' }
for _, name in ipairs({ 'withdrawn', 'returned', 'pool', 'codes', 'senders' }) do
  fields[#fields + 1] = name
  fields[#fields + 1] = '0'
end
for i = 3, #ARGV do fields[#fields + 1] = ARGV[i] end
redis.call('HSET', campaignKey, unpack(fields))
return { 'opened' }
