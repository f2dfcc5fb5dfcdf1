-- inPieces: values of any number as lists of at most 1,000, because unpack has a limit. A key in its compact form is
-- scanned as a whole, whatever COUNT says. A list within a reply starts at 0 on ioredis-mock, so no list is passed on
-- as it came.
local function inPieces(values)
  local pieces, unpacked = {}, unpack or table.unpack
  for first = 1, #values, 1000 do
    pieces[#pieces + 1] = { unpacked(values, first, math.min(first + 999, #values)) }
  end
  return unpacked(pieces)
end
