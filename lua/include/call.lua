-- repeated: this call number of the sender was seen before. A copy of a call may run at any later time; it must not act
-- a second time. `lapsed` proves that the call does nothing from now on: it may be sent again under a fresh number.
--- @include "include/campaign"
local seen = redis.call('HMGET', sendersKey, sender)[1]
local seenCall, seenStamp = 0, '0'
if type(seen) == 'string' then
  seenCall, seenStamp = string.match(seen, '^(%d+):(%d+)$')
  seenCall = tonumber(seenCall)
end
local repeated = call <= seenCall

-- The stamp is that of the reservations which this call made, if it made any.
local function noteCall(stamp)
  redis.call('HSET', sendersKey, sender, integer(call) .. ':' .. (stamp or '0'))
  if seenCall == 0 then redis.call('HINCRBY', campaignKey, 'senders', 1) end
end
