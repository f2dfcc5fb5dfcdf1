-- column: the texts of an argument that has one for each user or item, with U+0000 between them. None is empty.
-- ID_LENGTH: the characters of most ids, so that they are cut out of a column.
local ID_LENGTH = 22
local function column(text)
  local values, count = {}, 0
  for value in string.gmatch(text, '%Z+') do
    count = count + 1
    values[count] = value
  end
  return values
end
