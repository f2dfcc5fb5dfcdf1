-- Loads one chunk of a code pool. A load keeps how far it came and a digest of its list up to there: a chunk that is
-- sent again loads nothing twice, and the chunk of another list is refused. Codes that were ever loaded are skipped.
--
-- KEYS     campaign grants senders leases returned pool data codes
-- ARGV     epoch fence loadId caller offset before after, then for each code: code; before and after are digests of the
--          list
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back | no_pool | closed | gap | another_list, alone; or ok, the
--          load's offset, its digest, total, the campaign's stamp, the caller of the load's last chunk, how many codes
--          that added, the first places of its duplicates
-- WRITES   campaign codes pool
-- COST     O(codes)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, codesKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local epoch, fence, loadId, caller = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local offset, before, after = tonumber(ARGV[5]), ARGV[6], ARGV[7]
local FIRST = 8
--- @include "include/stamp"
--- @include "include/ready"
--- @include "include/new-codes"

local refusal = unready(epoch, fence)
if refusal then return { refusal } end
if redis.call('SCARD', codesKey) ~= campaign.codes then return { 'missing' } end
if campaign.kind ~= 'codes' then return { 'no_pool' } end
if campaign.closedAt then return { 'closed' } end

local progressField = 'load:' .. loadId
local done, digest, by, added, places = 0, '', '', '0', ''
local progress = redis.call('HMGET', campaignKey, progressField)[1]
if type(progress) == 'string' then
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
if expected ~= digest and done > 0 then return { 'another_list' } end
if count == 0 or offset < done then return answer() end

local fresh, units, met = newCodes(FIRST, {})
done, digest, by, added, places = offset + count, after, caller, integer(#fresh), table.concat(met, ',')
campaign.stamp = nextStamp()
redis.call('HSET', campaignKey, progressField, table.concat({ integer(done), digest, by, added, places }, ':'))
addCodes(fresh, units)
return answer()
