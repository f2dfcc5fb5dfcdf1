-- generates: whether each unit of this campaign goes out with a code that its caller makes up. lacksCode: whether one
-- of the ARGV from `first` on, `stride` apart, is none, because the caller knows other rules.
--- @include "include/campaign"
local generates = campaign.generate == '1'
local function lacksCode(first, stride)
  for i = first, generates and #ARGV or 0, stride do
    if ARGV[i] == '' then return true end
  end
end
