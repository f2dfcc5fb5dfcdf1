-- pace: how fast workers may go, fields of the campaign hash too; an absent field is no cap. Read apart from the
-- campaign: waves may be long.
--- @include "include/campaign"
local PACE_FIELDS = { 'savesPerSecond', 'admitPerSecond', 'waves', 'pacedAt' }

local pace = {}
for i, value in ipairs(redis.call('HMGET', campaignKey, unpack(PACE_FIELDS))) do
  if type(value) == 'string' then pace[PACE_FIELDS[i]] = value end
end
