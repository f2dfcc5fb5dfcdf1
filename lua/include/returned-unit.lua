-- addReturned: so many units of revoked coupons go back into the stock, each as a new one. Only a counted campaign has a
-- number of them.
--- @include "include/campaign"
local function addReturned(units)
  if campaign.kind ~= 'counted' then return end
  campaign.total, campaign.replaced = campaign.total + units, (campaign.replaced or 0) + units
end
