-- Loads one chunk of a code pool. The offset of the load is kept, so a repeated or resumed chunk loads nothing twice;
-- codes that were ever loaded are skipped. A rebuild loads under an empty id, first into the serials that nobody has, and
-- keeps no offset: what it loaded is known.
--
-- KEYS     campaign grants senders leases returned pool codes
-- ARGV     epoch fence loadId offset, then for each code: code
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back | no_pool | closed | gap, alone; or ok, offset, loaded, duplicates, total: of the whole load so
--          far; then the campaign's stamp
-- WRITES   campaign codes pool returned
-- COST     O(codes)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, codesKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch, fence, loadId, offset = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local FIRST = 5
--- @include "include/now"
--- @include "include/campaign"
--- @include "include/ready"
--- @include "include/write"

local rebuilt = loadId == ''
if rebuilt then
  if not campaign.building or campaign.epoch ~= epoch then return { campaign.epoch and 'stale_epoch' or 'missing' } end
  if campaign.stamp < fence then return { 'rolled_back' } end
else
  local refusal = unready(epoch, fence)
  if refusal then return { refusal } end
end
if redis.call('SCARD', codesKey) ~= campaign.codes then return { 'missing' } end
if campaign.kind ~= 'codes' then return { 'no_pool' } end
if campaign.closedAt and not rebuilt then return { 'closed' } end

local progressField = 'load:' .. loadId
local done, loaded, duplicates = 0, 0, 0
local progress = redis.call('HMGET', campaignKey, progressField)[1]
if rebuilt then
  done = offset
elseif type(progress) == 'string' then
  done, loaded, duplicates = string.match(progress, '^(%d+):(%d+):(%d+)$')
  done, loaded, duplicates = tonumber(done), tonumber(loaded), tonumber(duplicates)
end
local count = #ARGV - FIRST + 1
if count > 0 and offset > done then return { 'gap' } end

local vacant = {}
if rebuilt then vacant = redis.call('LRANGE', returnedKey, 0, integer(count)) end
local fresh, units, known = {}, {}, {}
for i = FIRST + done - offset, #ARGV do
  local code = ARGV[i]
  if known[code] or redis.call('SISMEMBER', codesKey, code) == 1 then
    duplicates = duplicates + 1
  else
    known[code] = true
    fresh[#fresh + 1] = code
    local serial = vacant[#fresh]
    if not serial then
      campaign.lastSerial = campaign.lastSerial + 1
      serial = integer(campaign.lastSerial)
    end
    units[#units + 1] = serial .. ':' .. code
  end
end

if #fresh > 0 or (not rebuilt and offset + count > done) then
  done, loaded = offset + count, loaded + #fresh
  local now = integer(done) .. ':' .. integer(loaded) .. ':' .. integer(duplicates)
  local phase = { 'phase', 'codes' }
  redis.call('HSET', campaignKey, unpack(rebuilt and phase or { progressField, now }))
  writeAll('SADD', codesKey, fresh)
  writeAll('RPUSH', poolKey, units)
  if rebuilt then
    local filled = math.min(#fresh, #vacant)
    campaign.returned = campaign.returned - filled
    redis.call('LTRIM', returnedKey, filled, -1)
    campaign.stamp = math.max(nowMicros, campaign.stamp + 1)
  end
  campaign.pool, campaign.codes = campaign.pool + #fresh, campaign.codes + #fresh
  campaign.total = (campaign.total or 0) + #fresh
  redis.call('HSET', campaignKey, 'total', integer(campaign.total), 'codes', integer(campaign.codes))
  saveCounters()
end
return { 'ok', integer(done), integer(loaded), integer(duplicates), integer(campaign.total or 0), integer(campaign.stamp) }
