-- place: the coupons of users, and their places in line. readPlaces looks up all of a batch at once, and returns the
-- ids of their tickets.
--- @include "include/holdings"
--- @include "include/room"
local ticketIds, ticketData = {}, {}

local function readPlaces(users)
  readHoldings(users, 1, 1)
  local ids = {}
  for first = 1, #users, 500 do
    local last = math.min(first + 499, #users)
    local tickets = redis.call('HMGET', ticketsKey, unpack(users, first, last))
    for i = first, last do
      local text = tickets[i - first + 1]
      if type(text) == 'string' then
        ticketIds[users[i]], ticketData[users[i]] = splitTicket(text)
        ids[#ids + 1] = ticketIds[users[i]]
      end
    end
  end
  return ids
end

-- The ticket of a waiting user, and the number of users ahead: unknown (-1) until the draw is done.
local function standing(user)
  local rank = draws and room.drawn ~= 'done' and -1 or redis.call('ZRANK', queueKey, user)
  return redis.call('ZSCORE', queueKey, user), rank
end
