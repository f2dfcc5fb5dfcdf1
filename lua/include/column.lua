-- column: the texts of an argument that has one for each user or item, with U+0000 between them. None is empty.
local function column(text)
  local values, count = {}, 0
  for value in string.gmatch(text, '%Z+') do
    count = count + 1
    values[count] = value
  end
  return values
end
