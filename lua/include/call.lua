-- repeated: this call number of the sender was seen before. A copy of a call may run at any later time; it must not act a
-- second time. `lapsed` proves that the call does nothing from now on: it may be sent again under a fresh number.
local seen = redis.call('HMGET', sendersKey, sender)[1]
local seenCall = type(seen) == 'string' and tonumber(string.match(seen, '^(%d+):')) or 0
local repeated = call <= seenCall

local function noteCall()
  redis.call('HSET', sendersKey, sender, integer(call) .. ':0')
  if seenCall == 0 then redis.call('HINCRBY', campaignKey, 'senders', 1) end
end
