-- Gives each user of the batch a place in the line, or says why not. Joining again keeps the place.
--
-- KEYS     campaign grants senders leases returned pool data queue tickets presence ended old
-- ARGV     epoch fence sender call perUser data, then for each user: id userId; data has a line for each user, JSON
--          text or empty, or is empty itself
-- RETURNS  missing | stale_epoch | stale_rules | rolled_back | no_room, alone; or rebuilding, then for each id that has
--          something already: id, grant, record, as issued if it was; or ok, the campaign's stamp, the line, the pace
--          per second, shutAt (opensAt for not_open, when it closed for closed, otherwise empty), woke (1: nobody
--          waited before), the words of all users with spaces between: waiting:<ticket>:<rank> (-1 before the draw)
--          held already_issued:<count> sold_out not_open closed paused full lapsed; then in their order for held, and
--          count times for already_issued: grant, record
-- WRITES   senders campaign queue tickets presence ended
-- COST     O(users * (perUser + log line))
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, queueKey, ticketsKey, presenceKey, endedKey, oldKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local epoch, fence, sender, call, perUser, data = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local FIRST, STRIDE = 7, 2
--- @include "include/held-before"
--- @include "include/stock"
--- @include "include/lines"
--- @include "include/call"
--- @include "include/line-ready"
--- @include "include/named"
--- @include "include/freed"
--- @include "include/new-place"

local refusal = unreadyLine(epoch, fence)
if refusal then return heldBefore(refusal, named(FIRST, STRIDE), named(FIRST + 1, STRIDE)) end
if campaign.perUser ~= perUser then return { 'stale_rules' } end

local shut, shutAt = shutNow()
-- The draw orders users from before the opening; more may join than there are coupons.
local early = shut == 'not_open' and draws
freezeDraw()
local left = not early and available()
local users, given, seenNow = named(FIRST + 1, STRIDE), linesOf(data), {}
readPlaces(users)
readFreed(ARGV, FIRST, STRIDE)

local function isSeen(user)
  if presenceMs > 0 then seenNow[#seenNow + 1], seenNow[#seenNow + 2] = integer(nowMs), user end
end

-- The word of one user, and the values that follow for it.
local function judge(nth, id, user)
  local grant, field, own = grantFor(nth, id)
  if own then return 'held', { grant, texts[field] } end
  if freedTexts[id] then return 'held', { '0', freedTexts[id] } end
  if not grant then return 'already_issued:' .. #grants, holdingsOf(nth) end
  local known = ticketIds[user]
  if type(known) == 'number' then return joinedHere(known) end
  if known then
    isSeen(user)
    local ticket, rank = standing(user)
    return 'waiting:' .. ticket .. ':' .. rank
  end
  if shut and not early then return shut end
  if repeated then return 'lapsed' end
  if left and (overNow() or room.waiting >= left + overbook) then return 'sold_out' end
  if room.waiting >= maxWaiting then return 'full' end
  isSeen(user)
  return takePlace(id, user, given[nth])
end

local words, reply = {}, { 'ok', '', '', '', shutAt and integer(shutAt) or '', '0', '' }
for nth, user in ipairs(users) do
  local word, told = judge(nth, ARGV[FIRST + (nth - 1) * STRIDE], user)
  words[nth] = word
  for _, value in ipairs(told or {}) do reply[#reply + 1] = value end
end

-- As with reserve: a campaign closed by closeForGood stays closed, so a late copy finds that again.
if not repeated and not campaign.closedAt then noteCall() end
if not repeated then writeAll('ZADD', presenceKey, seenNow) end
if joined > 0 then
  writePlaces()
  if before == 0 then reply[6] = '1' end
end
if not repeated then saveRoom() end
reply[2], reply[3], reply[4] = integer(campaign.stamp), room.line or '', string.format('%.6f', paceNow())
reply[7] = table.concat(words, ' ')
return { unpack(reply) }
