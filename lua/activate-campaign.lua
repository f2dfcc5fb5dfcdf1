-- Makes a campaign serve, bound to the database that was looked at; or binds one that serves to another database, on purpose. It names the epoch, so it can
-- only mean the state that this was done for. What is bound anew gets a new epoch: no step counts any more of a process that has the old database, and
-- a copy that arrives late does nothing.
--
-- KEYS     campaign
-- ARGV     epoch store generation; store is empty where the database does not say which it is, generation where nothing is bound anew
-- RETURNS  active | stale_epoch | missing | rebuilding, alone
-- WRITES   campaign
-- COST     O(1)
local campaignKey = KEYS[1]
local epoch, store, generation = ARGV[1], ARGV[2], ARGV[3]

local known = redis.call('HMGET', campaignKey, 'epoch', 'building', 'verified', 'store')
if type(known[1]) ~= 'string' then return { 'missing' } end
if known[1] ~= epoch then return { 'stale_epoch' } end
-- It was looked at as a new one, and is none.
if type(known[2]) == 'string' then return { 'rebuilding' } end
local serves, bound = known[3] == '1', type(known[4]) == 'string' and known[4] or ''
local binds = not serves or (generation ~= '' and bound ~= store)

local fields = { 'verified', '1' }
if binds and serves then
  fields[3], fields[4] = 'epoch', generation .. '-' .. string.match(epoch, '^%d+-(.*)$')
end
if binds and store ~= '' then
  fields[#fields + 1] = 'store'
  fields[#fields + 1] = store
end
redis.call('HSET', campaignKey, (unpack or table.unpack)(fields))
if binds and store == '' then redis.call('HDEL', campaignKey, 'store') end
return { 'active' }
