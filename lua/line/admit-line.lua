-- Takes the first of the line and reserves a unit for each in one step, so that nobody is lost between the two. These
-- reservations are promised: nobody gives them back. A worker keeps to the pace of the campaign.
--
-- KEYS     campaign grants senders leases returned pool data queue tickets presence ended
-- ARGV     epoch fence sender call perUser limit paced codes; paced is 1 to keep to the pace; codes has one for each
--          unit with U+0000 between, or is empty
-- RETURNS  missing | rebuilding | stale_epoch | stale_rules | rolled_back | no_room | no_code | lapsed | closed |
--          paused | not_open | draw, alone; or ok, the campaign's stamp, ended, ms until the pace admits the next user,
--          how many still wait, over (1: the line is to be ended), how many were absent, how many left the line in all,
--          issued (1: there was nothing to wait for); then columns with a text for each admitted user and U+0000
--          between: fields, records without their state and their stamp, which is the campaign's; then data, a line for
--          each, or empty where nobody has any
-- WRITES   senders campaign grants leases returned pool data queue tickets presence ended
-- COST     O(limit * (perUser + log line))
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, queueKey, ticketsKey, presenceKey, endedKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local epoch, fence, sender, call, perUser, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local paced, codes = ARGV[7], ARGV[8]
--- @include "include/column"
--- @include "include/stamp"
--- @include "include/new-grant"
--- @include "include/call"
--- @include "include/pace"
--- @include "include/cap"
--- @include "include/line-ready"
--- @include "include/waves"
--- @include "include/place"
--- @include "include/freed"
--- @include "include/line"
--- @include "include/absence"
--- @include "include/finish"

local codeList = column(codes)
local refusal = unreadyLine(epoch, fence) or (generates and #codeList < limit and 'no_code') or (repeated and 'lapsed') or (campaign.perUser ~= perUser and 'stale_rules')
if refusal then return { refusal } end
refusal = shutNow() or (draws and room.drawn ~= 'done' and 'draw')
if refusal then
  -- A copy of this call admits nobody later either. A campaign closed by closeForGood stays closed.
  if not campaign.closedAt then noteCall() end
  return { refusal }
end

local perSecond, waves = paced == '1' and tonumber(pace.admitPerSecond), paced == '1' and pace.waves
local every, usedUpTo, allowed = underCap(perSecond, room.admitsAt, limit)
if waves then allowed = math.min(allowed, leftOfWaves(waves)) end

watchAbsence()
local first = allowed > 0 and redis.call('ZRANGE', queueKey, 0, integer(allowed - 1)) or {}
readFreed(readPlaces(first), 1, 1)
takeUnits(#first)
local stamp = integer(nextStamp())
local reply = { 'ok', '0', '0', '0', '0', '0', '0', '0', lease and '0' or '1' }
local served, absent, admitted, rests, lines = {}, {}, {}, {}, {}

for nth, user in ipairs(first) do
  local grant, field, own = grantFor(nth, ticketIds[user])
  if isAbsent(user) then absent[#absent + 1] = user
  else
    -- A user that has a coupon of this id from before Redis lost data, or had one, merely leaves the line.
    if grant and not own and not freedTexts[ticketIds[user]] then
      local text = newGrant(field, ticketIds[user], codeList[granted + 1], ticketData[user], 't', stamp, lease)
      if not text then break end
      -- From the colon behind the stamp on.
      admitted[granted], rests[granted], lines[granted] = field, string.sub(text, 3 + #stamp), ticketData[user] or ''
    end
    served[#served + 1] = user
  end
end

noteCall()
takeOut(served)
takeOut(absent, 'absent')
writeNewGrants()
-- The clock was set back: the line does not wait until it is where it was.
if perSecond and (room.admitsAt or 0) > nowMicros then room.admitsAt = nowMicros end
if paced == '1' then spendWaves(waves, granted) end
if granted > 0 then
  if perSecond then room.admitsAt = usedUpTo + granted * every end
  notePace(granted)
end
if #served + #absent > 0 then campaign.stamp = tonumber(stamp) end
reply[3] = finish()
saveRoom()
if perSecond then reply[4] = msUntilNext(every, room.admitsAt or usedUpTo) end
reply[2], reply[5], reply[6] = integer(campaign.stamp), integer(room.waiting), overNow() and '1' or '0'
reply[7], reply[8] = integer(#absent), integer(#served + #absent)
local data = next(ticketData) and table.concat(lines, '\n') or ''
reply[10], reply[11], reply[12] = table.concat(admitted, '\0'), table.concat(rests, '\0'), data
return { unpack(reply) }
