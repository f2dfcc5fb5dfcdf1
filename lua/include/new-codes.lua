-- new-codes: codes of the ARGV become units of the pool, each code once in a campaign's life. newCodes looks without
-- writing: a unit takes a serial of `vacant`, or else the next one; `met` has the first places of duplicates. addCodes
-- then writes.
--- @include "include/write"
local MOST_PLACES = 20

local function newCodes(first, vacant)
  local fresh, units, known, met = {}, {}, {}, {}
  for i = first, #ARGV do
    local code = ARGV[i]
    if known[code] or redis.call('SISMEMBER', codesKey, code) == 1 then
      if #met < MOST_PLACES then met[#met + 1] = integer(i - first + 1) end
    else
      known[code] = true
      fresh[#fresh + 1] = code
      local serial = vacant[#fresh]
      if not serial then
        campaign.lastSerial = campaign.lastSerial + 1
        serial = integer(campaign.lastSerial)
      end
      units[#units + 1] = serial .. ':' .. code
    end
  end
  return fresh, units, met
end

local function addCodes(fresh, units)
  writeAll('SADD', codesKey, fresh)
  writeAll('RPUSH', poolKey, units)
  campaign.pool, campaign.codes = campaign.pool + #fresh, campaign.codes + #fresh
  campaign.total = (campaign.total or 0) + #fresh
  redis.call('HSET', campaignKey, 'codes', integer(campaign.codes))
  saveCounters()
end
