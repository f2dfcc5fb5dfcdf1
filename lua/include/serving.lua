-- unserved: why nobody may read this state or act on it, or nil.
--- @include "include/epoch"
local function unserved(epoch, fence)
  if campaign.epoch and campaign.verified ~= '1' then return campaign.building and 'rebuilding' or 'missing' end
  return mismatch(epoch, fence)
end
