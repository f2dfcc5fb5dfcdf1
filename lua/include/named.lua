-- named: one argument of each item, those from `first` on, `stride` apart.
local function named(first, stride)
  local values = {}
  for i = first, #ARGV, stride do values[#values + 1] = ARGV[i] end
  return values
end
