-- Loads one chunk of a code pool. The offset of the load is kept, so a repeated or resumed chunk loads nothing twice;
-- codes that were ever loaded are skipped.
--
-- KEYS     campaign grants senders leases returned pool codes
-- ARGV     epoch loadId offset, then for each code: code
-- RETURNS  missing | stale_epoch | closed | gap, alone; or ok, offset, loaded, duplicates, total: of the whole load so far
-- WRITES   campaign codes pool
-- COST     O(codes)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, codesKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch, loadId, offset = ARGV[1], ARGV[2], tonumber(ARGV[3])
local FIRST = 4
--- @include "include/campaign"
--- @include "include/ready"
--- @include "include/write"

local refusal = unready(epoch, 0)
if refusal then return { refusal } end
if redis.call('SCARD', codesKey) ~= campaign.codes then return { 'missing' } end
if campaign.closedAt then return { 'closed' } end

local progressField = 'load:' .. loadId
local done, loaded, duplicates = 0, 0, 0
local progress = redis.call('HMGET', campaignKey, progressField)[1]
if type(progress) == 'string' then
  done, loaded, duplicates = string.match(progress, '^(%d+):(%d+):(%d+)$')
  done, loaded, duplicates = tonumber(done), tonumber(loaded), tonumber(duplicates)
end
local count = #ARGV - FIRST + 1
if count > 0 and offset > done then return { 'gap' } end

local fresh, units, known = {}, {}, {}
for i = FIRST + done - offset, #ARGV do
  local code = ARGV[i]
  if known[code] or redis.call('SISMEMBER', codesKey, code) == 1 then
    duplicates = duplicates + 1
  else
    known[code] = true
    fresh[#fresh + 1] = code
    campaign.lastSerial = campaign.lastSerial + 1
    units[#units + 1] = integer(campaign.lastSerial) .. ':' .. code
  end
end

if count > 0 and offset + count > done then
  done, loaded = offset + count, loaded + #fresh
  redis.call('HSET', campaignKey, progressField, integer(done) .. ':' .. integer(loaded) .. ':' .. integer(duplicates))
  writeAll('SADD', codesKey, fresh)
  writeAll('RPUSH', poolKey, units)
  campaign.pool, campaign.codes = campaign.pool + #fresh, campaign.codes + #fresh
  campaign.total = (campaign.total or 0) + #fresh
  redis.call('HSET', campaignKey, 'total', integer(campaign.total), 'codes', integer(campaign.codes))
  saveCounters()
end
return { 'ok', integer(done), integer(loaded), integer(duplicates), integer(campaign.total or 0) }
