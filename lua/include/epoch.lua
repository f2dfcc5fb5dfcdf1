-- mismatch: why this state is not the one that its caller means, or nil. Without a fence a state that went back is as
-- good as any.
--- @include "include/campaign"
local function mismatch(epoch, fence)
  if not campaign.epoch then return 'missing' end
  if campaign.epoch ~= epoch then return 'stale_epoch' end
  if fence and campaign.stamp < fence then return 'rolled_back' end
end
