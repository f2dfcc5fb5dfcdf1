-- unserved (after campaign): why nobody may read this state or act on it, or nil. Without a fence a state that went back is as good as any.
local function unserved(epoch, fence)
  if not campaign.epoch then return 'missing' end
  if campaign.verified ~= '1' then return campaign.building and 'rebuilding' or 'missing' end
  if campaign.epoch ~= epoch then return 'stale_epoch' end
  if fence and campaign.stamp < fence then return 'rolled_back' end
end
