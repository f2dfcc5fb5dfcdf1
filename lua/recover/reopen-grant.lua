-- Makes a grant that is issued, and not marked, a reservation again, due at once: the database has no row of it, and
-- settle will save it.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     epoch fence field id
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back, alone; or moved, alone; or reopened, the campaign's stamp
-- WRITES   campaign grants leases
-- COST     O(log leases)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch, fence, field, id = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
--- @include "include/stamp"
--- @include "include/ready"
--- @include "include/record"

local refusal = unready(epoch, fence)
if refusal then return { refusal } end
local record = readRecords({ field })[field]
if not record or record.id ~= id or record.state ~= 'i' or isMarked(record) then return { 'moved' } end
local stamp = integer(nextStamp())
record.state, record.tries, record.stamp = 't', '', stamp
redis.call('HSET', grantsKey, field, encodeRecord(record))
redis.call('ZADD', leasesKey, integer(nowMs), field)
campaign.issued = campaign.issued - 1
campaign.reserved = campaign.reserved + 1
campaign.stamp = tonumber(stamp)
saveCounters()
-- The expiry that a close has set must not end a reservation; whatever ends the last one sets it again.
for _, key in ipairs(KEYS) do redis.call('PERSIST', key) end
return { 'reopened', stamp }
