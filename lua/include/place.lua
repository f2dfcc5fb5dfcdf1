-- place: what users hold, and where they stand in the line. readPlaces looks up all of a batch at once.
local texts, ticketIds = {}, {}

local function readPlaces(users)
  local fields = {}
  for _, user in ipairs(users) do
    for grant = 1, campaign.perUser do fields[#fields + 1] = integer(grant) .. ':' .. user end
  end
  texts = readTexts(fields)
  for first = 1, #users, 500 do
    local last = math.min(first + 499, #users)
    local ids = redis.call('HMGET', ticketsKey, unpack(users, first, last))
    for i = first, last do
      local id = ids[i - first + 1]
      if type(id) == 'string' then ticketIds[users[i]] = id end
    end
  end
end

-- Pairs of grant and record; and the pair whose record has this id, if there is one.
local function holdings(user, id)
  local held, own = {}, nil
  for grant = 1, campaign.perUser do
    local text = texts[integer(grant) .. ':' .. user]
    if text then
      held[#held + 1] = integer(grant)
      held[#held + 1] = text
      if id and decodeRecord(text).id == id then own = { integer(grant), text } end
    end
  end
  return held, own
end

-- The ticket of one who waits and how many stand before them, which is not known (-1) until the draw is done.
local function standing(user)
  local rank = draws and room.drawn ~= 'done' and -1 or redis.call('ZRANK', queueKey, user)
  return { redis.call('ZSCORE', queueKey, user), rank }
end
