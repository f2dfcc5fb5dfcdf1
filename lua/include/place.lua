-- place: the coupons of users, and their places in line. readPlaces looks up all of a batch at once.
--- @include "include/record"
--- @include "include/room"
local grants, texts, ticketIds, ticketData = {}, {}, {}, {}
for grant = 1, campaign.perUser or 0 do grants[grant] = integer(grant) .. ':' end

local function readPlaces(users)
  local fields = {}
  for _, user in ipairs(users) do
    for _, grant in ipairs(grants) do fields[#fields + 1] = grant .. user end
  end
  texts = readTexts(fields)
  for first = 1, #users, 500 do
    local last = math.min(first + 499, #users)
    local tickets = redis.call('HMGET', ticketsKey, unpack(users, first, last))
    for i = first, last do
      local text = tickets[i - first + 1]
      if type(text) == 'string' then ticketIds[users[i]], ticketData[users[i]] = splitTicket(text) end
    end
  end
end

-- Pairs of grant and record.
local function holdings(user)
  local held = {}
  for grant, prefix in ipairs(grants) do
    local text = texts[prefix .. user]
    if text then
      held[#held + 1] = integer(grant)
      held[#held + 1] = text
    end
  end
  return held
end

-- The pair whose record has this id, if there is one.
local function ownOf(held, id)
  for i = 2, #held, 2 do
    if decodeRecord(held[i]).id == id then return { held[i - 1], held[i] } end
  end
end

-- The first grant that this user has not, with its field; or nil.
local function vacantOf(user)
  for grant, prefix in ipairs(grants) do
    if not texts[prefix .. user] then return integer(grant), prefix .. user end
  end
end

-- The ticket of a waiting user, and the number of users ahead: unknown (-1) until the draw is done.
local function standing(user)
  local rank = draws and room.drawn ~= 'done' and -1 or redis.call('ZRANK', queueKey, user)
  return redis.call('ZSCORE', queueKey, user), rank
end
