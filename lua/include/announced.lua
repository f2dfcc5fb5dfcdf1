-- announced: coupons that are about to be revoked in the database. Each is a field of the campaign hash, revoking:<id>
-- with <version>:<due>:<serial>:<user>, and campaign.revoking counts them. The version is that of the row which the
-- change will name. It is a reminder: the row decides.
--- @include "include/campaign"
local ANNOUNCED = 'revoking:'

-- -1: none is there.
local function announcedVersion(id)
  local text = redis.call('HMGET', campaignKey, ANNOUNCED .. id)[1]
  return type(text) == 'string' and tonumber(string.match(text, '^%d+')) or -1
end

local function dropAnnounced(ids)
  local names = {}
  for i, id in ipairs(ids) do names[i] = ANNOUNCED .. id end
  for first = 1, #names, 1000 do
    local dropped = redis.call('HDEL', campaignKey, unpack(names, first, math.min(first + 999, #names)))
    if dropped > 0 then campaign.revoking = campaign.revoking - dropped end
  end
end
