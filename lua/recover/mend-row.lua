-- Writes a row of the database back to a grant that Redis does not have. Its unit is taken from where it was found:
-- free, beyond the last serial, or in nobody's hands. If it is somewhere else by now, nothing is changed. Of a freed
-- grant only the unit is taken.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     epoch fence field id serial issuedAt code became returned place; became is revoked, freed or
--          empty, place is free, beyond or nobody
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back, alone; or moved, alone; or mended, the campaign's stamp
-- WRITES   campaign grants returned pool codes
-- COST     O(free units)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, codesKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local epoch, fence, field, id = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local serial, issuedAt, code, became, returned, place = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10]
--- @include "include/stamp"
--- @include "include/ready"
--- @include "include/freed"
--- @include "include/row-unit"
--- @include "include/finish"

local refusal = unready(epoch, fence)
if refusal then return { refusal } end
-- A key of the wrong type refuses here, before the first write.
redis.call('SCARD', codesKey)
if readRecords({ field })[field] then return { 'moved' } end
local number, freed = tonumber(serial), became == 'freed'
if place == 'beyond' and not isBeyond(number) then return { 'moved' } end
if place == 'nobody' and (freed or number > campaign.lastSerial or campaign.withdrawn <= 0) then return { 'moved' } end

local row = rowRecord(id, serial, issuedAt, code, became, returned)
if place == 'free' and not takeFree(unitOf(row), 1) then return { 'moved' } end
if not freed then redis.call('HSET', grantsKey, field, encodeRecord(row)) end
countRow(row)
writeFreed()
if row.returned then addReturned(1) end
campaign.stamp = nextStamp()
if place == 'nobody' then campaign.withdrawn = campaign.withdrawn - 1 end
if place == 'beyond' then takeBeyond(number) end
knowCodesOf({ row })
finish()
return { 'mended', integer(campaign.stamp) }
