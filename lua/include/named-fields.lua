-- takeNamed: takes the fields of these kinds, <kind>:<name>, out of the campaign, and returns the names of each kind.
local function takeNamed(kinds)
  local names = {}
  for _, kind in ipairs(kinds) do names[kind] = {} end
  for _, field in ipairs(redis.call('HKEYS', campaignKey)) do
    local kind, name = string.match(field, '^(%a+):(.*)$')
    if kind and names[kind] then
      redis.call('HDEL', campaignKey, field)
      table.insert(names[kind], name)
    end
  end
  return names
end
