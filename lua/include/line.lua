-- takeOut: these users leave the line. Their reason is kept for the last ENDED_KEPT of them, if there is one.
--- @include "include/write"
--- @include "include/room"
local ENDED_KEPT = 10000

local function takeOut(users, why)
  if #users == 0 then return end
  writeAll('ZREM', queueKey, users)
  writeAll('HDEL', ticketsKey, users)
  if presenceMs > 0 then writeAll('ZREM', presenceKey, users) end
  room.waiting = room.waiting - #users
  if room.waiting == 0 then room.emptyAt = nowMicros end
  -- After the close there is one expiry for all keys, and none is made anew.
  if not why or campaign.closedAt then return end
  local marks = {}
  for _, user in ipairs(users) do
    marks[#marks + 1] = integer(nowMs)
    marks[#marks + 1] = why .. ':' .. user
  end
  writeAll('ZADD', endedKey, marks)
  redis.call('ZREMRANGEBYRANK', endedKey, 0, -ENDED_KEPT - 1)
end

-- Why this user is no longer in line, as far as it is remembered.
local function whyEnded(user)
  for _, why in ipairs({ 'left', 'absent' }) do
    if type(redis.call('ZSCORE', endedKey, why .. ':' .. user)) == 'string' then return why end
  end
end
