-- shutNow: why nobody is served now, or nil; and the instant since which, or until which.
--- @include "include/now"
--- @include "include/campaign"
local function shutNow()
  local closedAt = campaign.closedAt or campaign.closesAt
  if campaign.closedAt or (closedAt and nowMs >= closedAt) then return 'closed', closedAt end
  if campaign.paused == '1' then return 'paused' end
  if campaign.opensAt and nowMs < campaign.opensAt then return 'not_open', campaign.opensAt end
end
