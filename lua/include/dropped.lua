-- dropCode: this code may be known, so nobody gets it any more. The campaign keeps it for good, also while its stock has
-- no pool: a rebuild that begins anew finds it in no grant, and so does one after it. dropFreed: takes the fields of
-- freed coupons out, and drops their codes until their rows come. clearDropped: rows have these codes, so they are issued.
--- @include "include/freed"
local function dropCode(code)
  local new = redis.call('HSET', campaignKey, 'dropped:' .. code, '1')
  if campaign.kind == 'codes' then campaign.withdrawn = campaign.withdrawn + new end
end

local function dropFreed(ids, dropped)
  for _, id in ipairs(ids) do
    local code = decodeRecord(redis.call('HGET', campaignKey, FREED .. id)).code
    redis.call('HDEL', campaignKey, FREED .. id)
    if code ~= '' and redis.call('HSET', campaignKey, 'dropped:' .. code, '1') == 1 then dropped[#dropped + 1] = code end
  end
end

local function clearDropped(codes)
  if #codes == 0 then return end
  local names = {}
  for i, code in ipairs(codes) do names[i] = 'dropped:' .. code end
  local cleared = redis.call('HDEL', campaignKey, unpack(names))
  if campaign.kind == 'codes' then campaign.withdrawn = campaign.withdrawn - cleared end
end
