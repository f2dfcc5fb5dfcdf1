-- repeated: this call number of the sender was seen before. A copy of a call may run at any later time; it must not act
-- a second time. `lapsed` proves that the call does nothing from now on: it may be sent again under a fresh number.
--- @include "include/campaign"
local seen = redis.call('HMGET', sendersKey, sender)[1]
local seenCall, seenStamp, seenCount = 0, 0, 0
if type(seen) == 'string' then
  seenCall, seenStamp, seenCount = string.match(seen, '^(%d+):(%d+):(%d+)$')
  seenCall, seenStamp, seenCount = tonumber(seenCall), tonumber(seenStamp), tonumber(seenCount)
end
local repeated = call <= seenCall

-- Whether a copy of this very call took the grant of this record, and nobody has acted on it since.
local function isOwn(record)
  local stamp = tonumber(record.stamp)
  return call == seenCall and stamp >= seenStamp and stamp < seenStamp + seenCount
end

-- The grants that this call takes have so many stamps from this one on, if it takes any.
local function noteCall(stamp, count)
  redis.call('HSET', sendersKey, sender, integer(call) .. ':' .. integer(stamp or 0) .. ':' .. integer(count or 0))
  if seenCall == 0 then redis.call('HINCRBY', campaignKey, 'senders', 1) end
end
