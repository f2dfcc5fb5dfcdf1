-- Makes a campaign serve, bound to the database that `open` found empty. Or binds a serving campaign to another
-- database, on purpose. The call names the epoch, so it means one state only. Both begin a new epoch that no state had
-- before. So a process that remembers an earlier epoch does nothing, and neither does a late copy.
--
-- KEYS     campaign
-- ARGV     epoch store generation random rebind; store is empty if the identity of the database is not known; rebind is
--          1 to bind a serving campaign to another database
-- RETURNS  active | stale_epoch | missing | rebuilding, alone
-- WRITES   campaign
-- COST     O(1)
local campaignKey = KEYS[1]
local epoch, store, generation, random, rebind = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
--- @include "include/epoch"

local refusal = mismatch(epoch)
if refusal == 'stale_epoch' and string.match(campaign.epoch, '^%d+-(.*)$') == random then return { 'active' } end
if refusal then return { refusal } end
-- The caller took it for a new campaign, and it serves already.
if campaign.building then return { 'rebuilding' } end
if campaign.verified == '1' and not (rebind == '1' and (campaign.store or '') ~= store) then return { 'active' } end

local fields = { 'verified', '1', 'epoch', generation .. '-' .. random }
if store ~= '' then
  fields[#fields + 1] = 'store'
  fields[#fields + 1] = store
end
redis.call('HSET', campaignKey, unpack(fields))
if store == '' then redis.call('HDEL', campaignKey, 'store') end
return { 'active' }
