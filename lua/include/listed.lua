-- listed: the strings of a list within a reply. Such a list starts at 0 on ioredis-mock.
local function listed(list)
  local values = {}
  for i = 0, #list do
    if type(list[i]) == 'string' then values[#values + 1] = list[i] end
  end
  return values
end
