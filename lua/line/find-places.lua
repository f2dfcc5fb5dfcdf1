-- Reads the coupons of users and their places in line. A user that is looked up is present. A process that watches
-- reports since when all of its users have been seen. For keepMs, users seen since then do not count as absent.
--
-- KEYS     campaign grants senders leases returned pool data queue tickets presence ended
-- ARGV     epoch fence perUser watcher since keepMs, then for each user: userId; watcher is empty for a process that
--          does not watch, keepMs is 0 for one that stops
-- RETURNS  missing | rebuilding | stale_epoch | stale_rules | rolled_back, alone; or ok, the campaign's stamp, the
--          line, the pace per second, whether it is over (closed, sold_out or empty), the last ticket that ended with
--          the stock or the close, which of the two (sold_out, closed or empty), the time in ms, then for each: word,
--          count, count times a value. Words: waiting: ticket, rank (-1 before the draw), id, then (grant, record)
--          each; held left absent none: (grant, record) each
-- WRITES   presence campaign
-- COST     O(users * (perUser + log line))
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, queueKey, ticketsKey, presenceKey, endedKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local epoch, fence, perUser = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local watcher, since, keepMs = ARGV[4], ARGV[5], tonumber(ARGV[6])
local FIRST = 7
--- @include "include/ready"
--- @include "include/stock"
--- @include "include/named"
--- @include "include/place"
--- @include "include/line"
--- @include "include/watchers"

local refusal = unready(epoch, fence)
if not refusal and not lineIsWhole() then refusal = 'missing' end
-- How many users a call may have follows from it.
if not refusal and campaign.perUser ~= perUser then refusal = 'stale_rules' end
if refusal then return { refusal } end

local users, seenNow = named(FIRST, 1), {}
readPlaces(users)
local reply = {
  'ok', integer(campaign.stamp), room.line or '', string.format('%.6f', paceNow()), overNow() or '',
  integer(room.overUpTo or 0), room.overWhy or '', integer(nowMs),
}
for nth, user in ipairs(users) do
  local held = holdingsOf(nth)
  local word = whyEnded(user) or (#held > 0 and 'held') or 'none'
  local values = {}
  if ticketIds[user] then
    seenNow[#seenNow + 1], seenNow[#seenNow + 2] = integer(nowMs), user
    local ticket, rank = standing(user)
    word, values = 'waiting', { ticket, rank, ticketIds[user] }
  end
  for _, value in ipairs(held) do values[#values + 1] = value end
  reply[#reply + 1], reply[#reply + 2] = word, #values
  for _, value in ipairs(values) do reply[#reply + 1] = value end
end
if presenceMs > 0 then writeAll('ZADD', presenceKey, seenNow) end
if presenceMs > 0 and watcher ~= '' and not campaign.closedAt then
  noteWatcher(watcher, since, keepMs)
  saveRoom()
end
return { unpack(reply) }
