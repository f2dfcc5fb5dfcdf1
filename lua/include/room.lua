-- room: the state of the waiting room, fields of the campaign hash too. The rules are one field of the campaign,
-- `room`: <maxWaiting>:<overbook>:<presenceMs>:<draw>. saveRoom writes back the changed fields.
--- @include "include/window"
local ROOM_FIELDS = {
  'waiting', 'lastTicket', 'overUpTo', 'drawUpTo', 'sweptAt', 'graceUntil', 'admitsAt', 'waveAt', 'waveLeft', 'pace', 'paceAt',
  'paceSince', 'emptyAt', 'line', 'drawn', 'seed', 'overWhy', 'watchers',
}
local LAST_ROOM_NUMBER = 13
-- The pace is measured over about this long, µs.
local PACE_OVER = 30000000.0

local room, foundRoom = {}, {}
for i, value in ipairs(redis.call('HMGET', campaignKey, unpack(ROOM_FIELDS))) do
  if type(value) == 'string' then
    foundRoom[i] = i <= LAST_ROOM_NUMBER and tonumber(value) + 0.0 or value
    room[ROOM_FIELDS[i]] = foundRoom[i]
  end
end
room.waiting, room.lastTicket = room.waiting or 0, room.lastTicket or 0
local maxWaiting, overbook, presenceMs, draws = string.match(campaign.room or '0:0:0:0', '^(%d+):(%d+):(%d+):(%d+)$')
maxWaiting, overbook, presenceMs, draws = tonumber(maxWaiting), tonumber(overbook), tonumber(presenceMs), draws == '1'

local function saveRoom()
  local values = {}
  for i, name in ipairs(ROOM_FIELDS) do
    local value = room[name]
    if value ~= nil and value ~= foundRoom[i] then
      values[#values + 1] = name
      values[#values + 1] = i > LAST_ROOM_NUMBER and value or string.format('%.17g', value)
    end
  end
  if #values > 0 then redis.call('HSET', campaignKey, unpack(values)) end
end

-- A ticket is the id of the issuance to come and, behind a colon, the data of the caller if there is any.
local function splitTicket(text)
  local colon = string.find(text, ':', 1, true)
  if not colon then return text end
  return string.sub(text, 1, colon - 1), string.sub(text, colon + 1)
end

-- The keys of the line must be whole, like those of the campaign. Users that left are not counted.
local function lineIsWhole()
  redis.call('ZCARD', endedKey)
  return redis.call('ZCARD', queueKey) == room.waiting and redis.call('HLEN', ticketsKey) == room.waiting
    and (presenceMs == 0 or redis.call('ZCARD', presenceKey) == room.waiting)
end

-- The admitted users, with less weight for older ones. A clock that was set back makes nothing of it more.
local function pastPace() return room.pace * math.exp(-math.max(0, nowMicros - room.paceAt) / PACE_OVER) end

-- How many users a second are admitted while users wait; 0: not known yet, or nobody is admitted now.
local function paceNow()
  if not room.pace or shutNow() then return 0 end
  local over = 1 - math.exp(-math.max(1, nowMicros - room.paceSince) / PACE_OVER)
  return pastPace() / (PACE_OVER / 1000000 * over)
end

local function notePace(admitted)
  if room.pace then room.pace = pastPace() + admitted
  else room.pace, room.paceSince = 0, nowMicros end
  room.paceAt = nowMicros
end

-- From the opening on the set of the draw is fixed: users with a ticket by then.
local function freezeDraw()
  if draws and not room.drawUpTo and nowMs >= (campaign.opensAt or 0) then room.drawUpTo = room.lastTicket end
end

-- The reason why the line is over, or nil: nothing is left, and nothing is out that may come back.
local function overNow()
  if shutNow() == 'closed' then return 'closed' end
  -- A pool that nothing was loaded into yet has not come to its end.
  local began = campaign.total and math.max(campaign.total, campaign.opened or 0) > 0
  if began and available() == 0 and campaign.reserved == 0 then return 'sold_out' end
end
