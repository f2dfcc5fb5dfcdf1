-- Loads one chunk of a code pool. A load keeps how far it came and a digest of its list up to there: a chunk that is sent again
-- loads nothing twice, and the chunk of another list is refused. Codes that were ever loaded are skipped. A rebuild loads under
-- an empty id, first into the serials that nobody has, and keeps no progress: what it loaded is known.
--
-- KEYS     campaign grants senders leases returned pool codes
-- ARGV     epoch fence loadId caller offset before after, then for each code: code; before and after are digests of the list
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back | no_pool | closed | gap | another_list, alone; or ok, the load's offset, its digest,
--          total, the campaign's stamp, the caller of the load's last chunk, how many codes that added, the first places of its duplicates
-- WRITES   campaign codes pool returned
-- COST     O(codes)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, codesKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch, fence, loadId, caller = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local offset, before, after = tonumber(ARGV[5]), ARGV[6], ARGV[7]
local FIRST = 8
local MOST_PLACES = 20
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
local done, digest, by, added, places = 0, '', '', '0', ''
local progress = redis.call('HMGET', campaignKey, progressField)[1]
if rebuilt then
  done = offset
elseif type(progress) == 'string' then
  done, digest, by, added, places = string.match(progress, '^(%d+):([^:]+):([^:]+):(%d+):(.*)$')
  if not digest then return { 'another_list' } end
  done = tonumber(done)
end
local count = #ARGV - FIRST + 1
local function answer()
  return { 'ok', integer(done), digest, integer(campaign.total or 0), integer(campaign.stamp), by, added, places }
end
if count > 0 and offset > done then return { 'gap' } end
local expected = offset == done and before or offset + count == done and after or digest
if expected ~= digest and done > 0 and not rebuilt then return { 'another_list' } end
if count == 0 or offset < done then return answer() end

local vacant = {}
if rebuilt then vacant = redis.call('LRANGE', returnedKey, 0, integer(count)) end
local fresh, units, known, met = {}, {}, {}, {}
for i = FIRST, #ARGV do
  local code = ARGV[i]
  if known[code] or redis.call('SISMEMBER', codesKey, code) == 1 then
    if #met < MOST_PLACES then met[#met + 1] = integer(i - FIRST + 1) end
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

done, digest, by, added, places = offset + count, after, caller, integer(#fresh), table.concat(met, ',')
if #fresh > 0 or not rebuilt then
  local now = table.concat({ integer(done), digest, by, added, places }, ':')
  local phase = { 'phase', 'codes' }
  redis.call('HSET', campaignKey, unpack(rebuilt and phase or { progressField, now }))
  writeAll('SADD', codesKey, fresh)
  writeAll('RPUSH', poolKey, units)
  if rebuilt then
    local filled = math.min(#fresh, #vacant)
    campaign.returned = campaign.returned - filled
    redis.call('LTRIM', returnedKey, filled, -1)
  end
  campaign.stamp = math.max(nowMicros, campaign.stamp + 1)
  campaign.pool, campaign.codes = campaign.pool + #fresh, campaign.codes + #fresh
  campaign.total = (campaign.total or 0) + #fresh
  redis.call('HSET', campaignKey, 'total', integer(campaign.total), 'codes', integer(campaign.codes))
  saveCounters()
end
return answer()
