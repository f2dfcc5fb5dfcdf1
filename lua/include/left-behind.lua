-- anyLeft: whether any key of a campaign is there beside the campaign itself.
local function anyLeft()
  return redis.call('EXISTS', grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, codesKey)
    + redis.call('EXISTS', queueKey, ticketsKey, presenceKey, endedKey) > 0
end
