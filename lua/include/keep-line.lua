-- A rebuild keeps a whole line. Another line is lost, and its users have to join again.
--- @include "include/room"
local function isOf(found, kind) return (type(found) == 'table' and found.ok or found) == kind end
local function isOfOrGone(found, kind) return isOf(found, kind) or isOf(found, 'none') end

-- Bounds may change afterwards; presence and the kind of order may not.
local function orderOf(rule) return rule and string.match(rule, ':(%d+:%d+)$') end

local function lineCanStay(rule)
  return room.line and orderOf(rule) and orderOf(rule) == orderOf(campaign.room)
    and isOfOrGone(redis.call('TYPE', queueKey), 'zset') and isOfOrGone(redis.call('TYPE', ticketsKey), 'hash')
    and isOfOrGone(redis.call('TYPE', presenceKey), 'zset') and isOfOrGone(redis.call('TYPE', endedKey), 'zset') and lineIsWhole()
end

local function dropLine(rule)
  redis.call('HDEL', campaignKey, unpack(ROOM_FIELDS))
  if not rule then redis.call('HDEL', campaignKey, 'admitPerSecond', 'waves') end
  redis.call('UNLINK', queueKey, ticketsKey, presenceKey, endedKey)
end

-- How fast workers may go is kept as well, and not set again.
local function isPace(name) return name == 'savesPerSecond' or name == 'admitPerSecond' or name == 'waves' end
