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

local known = redis.call('HMGET', campaignKey, 'epoch', 'building', 'verified', 'store')
if type(known[1]) ~= 'string' then return { 'missing' } end
if known[1] ~= epoch then return { string.match(known[1], '^%d+-(.*)$') == random and 'active' or 'stale_epoch' } end
-- It was looked at as a new one, and is none.
if type(known[2]) == 'string' then return { 'rebuilding' } end
local serves, bound = known[3] == '1', type(known[4]) == 'string' and known[4] or ''
if serves and not (rebind == '1' and bound ~= store) then return { 'active' } end

local fields = { 'verified', '1', 'epoch', generation .. '-' .. random }
if store ~= '' then
  fields[#fields + 1] = 'store'
  fields[#fields + 1] = store
end
redis.call('HSET', campaignKey, (unpack or table.unpack)(fields))
if store == '' then redis.call('HDEL', campaignKey, 'store') end
return { 'active' }
