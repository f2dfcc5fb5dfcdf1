-- Gives each user of the batch a place in the line, or says why not. Joining again keeps the place.
--
-- KEYS     campaign grants senders leases returned pool queue tickets presence ended
-- ARGV     epoch fence sender call, then for each user: id userId
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back, alone; or ok, the campaign's stamp, the line, the pace per second, closedAt
--          (or empty), woke (1: nobody waited before), then for each: word, count, count times a value. Words: waiting: ticket, rank
--          (-1 before the draw); held already_issued: (grant, record) each; sold_out not_open closed paused full lapsed: none
-- WRITES   senders campaign queue tickets presence ended
-- COST     O(users * (perUser + log line))
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, queueKey, ticketsKey, presenceKey, endedKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local epoch, fence, sender, call = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local FIRST, STRIDE = 5, 2
--- @include "include/now"
--- @include "include/campaign"
--- @include "include/ready"
--- @include "include/record"
--- @include "include/write"
--- @include "include/stock"
--- @include "include/call"
--- @include "include/room"
--- @include "include/place"

local refusal = unready(epoch, fence)
if not refusal and not lineIsWhole() then refusal = 'missing' end
if refusal then return { refusal } end

local shut, before = shutNow(), room.waiting
-- Those who come before the opening are put in order by the draw, and more may come than there are coupons.
local early = shut == 'not_open' and draws
freezeDraw()
local left = not early and available()
local users = {}
for i = FIRST, #ARGV, STRIDE do users[#users + 1] = ARGV[i + 1] end
readPlaces(users)
local tickets, ids, seenNow, marks = {}, {}, {}, {}, {}
local function judge(id, user)
  local held, own = holdings(user, id)
  if own then return 'held', own end
  if #held == 2 * campaign.perUser then return 'already_issued', held end
  local known = ticketIds[user]
  if known then
    seenNow[#seenNow + 1], seenNow[#seenNow + 2] = integer(nowMs), user
    return 'waiting', type(known) == 'table' and known or standing(user)
  end
  if shut and not early then return shut, {} end
  if repeated then return 'lapsed', {} end
  if left and (overNow() or room.waiting >= left + overbook) then return 'sold_out', {} end
  if room.waiting >= maxWaiting then return 'full', {} end
  room.lastTicket, room.waiting = room.lastTicket + 1, room.waiting + 1
  tickets[#tickets + 1], tickets[#tickets + 2] = integer(room.lastTicket), user
  ids[#ids + 1], ids[#ids + 2] = user, id
  seenNow[#seenNow + 1], seenNow[#seenNow + 2] = integer(nowMs), user
  for _, why in ipairs({ 'left:', 'absent:' }) do marks[#marks + 1] = why .. user end
  -- For the same user again in this batch.
  ticketIds[user] = { integer(room.lastTicket), draws and room.drawn ~= 'done' and -1 or room.waiting - 1 }
  return 'waiting', ticketIds[user]
end
local closedAt = campaign.closedAt or campaign.closesAt
local reply = { 'ok', '', '', '', closedAt and integer(closedAt) or '', '0' }
for i = FIRST, #ARGV, STRIDE do
  local word, values = judge(ARGV[i], ARGV[i + 1])
  reply[#reply + 1], reply[#reply + 2] = word, #values
  for _, value in ipairs(values) do reply[#reply + 1] = value end
end

-- As with reserve: what closeCampaign closed stays closed, so a late copy finds that again.
if not repeated and not campaign.closedAt then noteCall() end
if not repeated and presenceMs > 0 then writeAll('ZADD', presenceKey, seenNow) end
if #tickets > 0 then
  writeAll('ZADD', queueKey, tickets)
  writeAll('HSET', ticketsKey, ids)
  writeAll('ZREM', endedKey, marks)
  room.line = room.line or epoch
  -- While nobody waited nobody was let through either, which says nothing of the pace.
  local idle = before == 0 and room.pace and room.emptyAt and math.max(0, nowMicros - room.emptyAt) or 0
  if idle > 0 then room.paceAt, room.paceSince = room.paceAt + idle, room.paceSince + idle end
  campaign.stamp = math.max(nowMicros, campaign.stamp + 1)
  saveCounters()
end
if not repeated then saveRoom() end
reply[2], reply[3], reply[4] = integer(campaign.stamp), room.line or '', string.format('%.6f', paceNow())
if before == 0 and #tickets > 0 then reply[6] = '1' end
return { unpack(reply) }
