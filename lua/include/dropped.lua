-- dropCode: this code of the pool may be known, so nobody gets it any more. The campaign keeps it for good: a rebuild
-- that begins anew finds it in no grant, and so does one after it. clearDropped: rows have these, so they are issued.
--- @include "include/campaign"
local function dropCode(code)
  local new = redis.call('HSET', campaignKey, 'dropped:' .. code, '1')
  if campaign.kind == 'codes' then campaign.withdrawn = campaign.withdrawn + new end
end

local function clearDropped(codes)
  if #codes == 0 then return end
  local names = {}
  for i, code in ipairs(codes) do names[i] = 'dropped:' .. code end
  campaign.withdrawn = campaign.withdrawn - redis.call('HDEL', campaignKey, unpack(names))
end
