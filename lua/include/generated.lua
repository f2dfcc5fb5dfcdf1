-- generates: whether each unit of this campaign goes out with a code that its caller makes up.
--- @include "include/campaign"
local generates = campaign.generate == '1'
