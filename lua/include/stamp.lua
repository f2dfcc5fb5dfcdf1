-- The campaign's stamp after a change. nextStamp is for a script that sends the fence, or that names a reservation by
-- it.
--- @include "include/now"
--- @include "include/campaign"
local function nextStamp() return math.max(nowMicros, (campaign.stamp or 0) + 1) end

-- For a script that sends no fence, so that a process notices a state that lost its change. It adds one, once, and does
-- not go up to the clock: on a state that went back, the stamp must not pass the stamps that processes saw.
local function raiseStamp() campaign.stamp = storedStamp + 1 end
