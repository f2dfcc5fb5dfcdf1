-- knowCodes: these codes of the pool are never loaded again, and the others may be.
--- @include "include/write"
local function knowCodes(codes, others)
  if #codes + #others == 0 then return end
  local known = redis.call('SCARD', codesKey)
  writeAll('SREM', codesKey, others)
  writeAll('SADD', codesKey, codes)
  campaign.codes = campaign.codes + redis.call('SCARD', codesKey) - known
  redis.call('HSET', campaignKey, 'codes', integer(campaign.codes))
end
