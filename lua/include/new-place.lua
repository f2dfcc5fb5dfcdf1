-- takePlace: a place at the end of the line, for a user of the batch who has none. writePlaces writes all that were
-- taken.
--- @include "include/stamp"
--- @include "include/place"
--- @include "include/write"
local before, isUndrawn, anyEnded = room.waiting, draws and room.drawn ~= 'done', redis.call('ZCARD', endedKey) > 0
local tickets, ids, marks, joined = {}, {}, {}, 0

-- Users that joined in this batch are in ticketIds with their ticket; tickets are consecutive, and so are the places.
local function joinedHere(ticket)
  return 'waiting:' .. ticket .. ':' .. (isUndrawn and -1 or room.waiting - 1 - (room.lastTicket - ticket))
end

local function takePlace(id, user, data)
  room.lastTicket, room.waiting = room.lastTicket + 1, room.waiting + 1
  tickets[2 * joined + 1], tickets[2 * joined + 2] = room.lastTicket, user
  ids[2 * joined + 1], ids[2 * joined + 2] = user, data and data ~= '' and id .. ':' .. data or id
  joined = joined + 1
  ticketIds[user] = room.lastTicket
  if anyEnded then marks[#marks + 1], marks[#marks + 2] = 'left:' .. user, 'absent:' .. user end
  return joinedHere(room.lastTicket)
end

local function writePlaces()
  writeAll('ZADD', queueKey, tickets)
  writeAll('HSET', ticketsKey, ids)
  writeAll('ZREM', endedKey, marks)
  room.line = room.line or epoch
  -- Time without users in line says nothing about the pace.
  local idle = before == 0 and room.pace and room.emptyAt and math.max(0, nowMicros - room.emptyAt) or 0
  if idle > 0 then room.paceAt, room.paceSince = room.paceAt + idle, room.paceSince + idle end
  campaign.stamp = nextStamp()
  saveCounters()
end
