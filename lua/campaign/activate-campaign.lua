-- Makes a campaign serve, bound to the database that was looked at; or binds one that serves to another database, on purpose. It names the epoch, so it can
-- only mean the state that this was done for. Both begin a new epoch, which no making and no binding had before: a process that remembers an earlier one
-- does nothing under it, and neither does a copy that arrives late.
--
-- KEYS     campaign
-- ARGV     epoch store generation random rebind; store is empty where the database does not say which it is; rebind is 1 to bind one that serves anew
-- RETURNS  active | stale_epoch | missing | rebuilding, alone
-- WRITES   campaign
-- COST     O(1)
local campaignKey = KEYS[1]
local epoch, store, generation, random, rebind = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
--- @include "include/epoch"

local refusal = mismatch(epoch)
if refusal == 'stale_epoch' and string.match(campaign.epoch, '^%d+-(.*)$') == random then return { 'active' } end
if refusal then return { refusal } end
-- It was looked at as a new one, and is none.
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
