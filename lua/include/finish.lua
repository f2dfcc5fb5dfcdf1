-- finish: the end of every script that moves units. Writes the counters; answers '1' once in a campaign's life, when
-- its last unit is out; and sets the one expiry of all keys as soon as a closed campaign has nothing reserved and
-- nobody in line. If users were in line, the keys stay for a minute at least: watchers have to see the close.
--- @include "include/now"
--- @include "include/stock"
local LAST_LOOK = 60000
local function isWaitedFor()
  local waiting = campaign.room and redis.call('HMGET', campaignKey, 'waiting')[1]
  return type(waiting) == 'string' and tonumber(waiting) > 0
end

-- The instant at which the keys of a closed campaign expire, or nil where they stay.
local function expiresAt()
  if not campaign.closedAt or not campaign.retainMs then return nil end
  return campaign.closedAt + math.max(campaign.retainMs, campaign.room and LAST_LOOK or 0)
end

local function finish()
  local ended = '0'
  if campaign.total and campaign.total > 0 and not campaign.exhausted and campaign.reserved == 0 and available() == 0 then
    campaign.exhausted = '1'
    ended = '1'
    redis.call('HSET', campaignKey, 'exhausted', '1')
  end
  saveCounters()
  local endsAt = expiresAt()
  if endsAt and campaign.reserved == 0 and not isWaitedFor() then
    for _, key in ipairs(KEYS) do
      -- An expiry in the past deletes at once, and stops the server for as long as that takes.
      if endsAt <= nowMs then redis.call('UNLINK', key) else redis.call('PEXPIREAT', key, integer(endsAt)) end
    end
  end
  return ended
end
