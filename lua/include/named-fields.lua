-- namedFields: the names of the fields of these kinds, <kind>:<name>, that the campaign has, by kind.
local function namedFields(kinds)
  local names = {}
  for _, kind in ipairs(kinds) do names[kind] = {} end
  for _, field in ipairs(redis.call('HKEYS', campaignKey)) do
    local kind, name = string.match(field, '^(%a+):(.*)$')
    if kind and names[kind] then table.insert(names[kind], name) end
  end
  return names
end
