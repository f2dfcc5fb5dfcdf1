-- unready: why nobody may act on this state, or nil. A sibling key that vanished is noticed by its count: missing state
-- must refuse, it never means "full stock" or "no limit".
--- @include "include/serving"

local function unready(epoch, fence)
  local refusal = unserved(epoch, fence)
  if refusal then return refusal end
  if redis.call('HLEN', grantsKey) ~= campaign.reserved + campaign.issued then return 'missing' end
  if redis.call('ZCARD', leasesKey) ~= campaign.reserved then return 'missing' end
  if redis.call('HLEN', sendersKey) ~= campaign.senders then return 'missing' end
  if redis.call('LLEN', returnedKey) ~= campaign.returned then return 'missing' end
  if redis.call('LLEN', poolKey) ~= campaign.pool then return 'missing' end
  if (campaign.data or 0) > 0 and redis.call('HLEN', dataKey) ~= campaign.data then return 'missing' end
  return nil
end
