-- writeAll: a variadic command in pieces of at most 1,000 values, because unpack has a limit. `values` may be empty.
--- @include "include/campaign"
local function writeAll(command, key, values)
  for first = 1, #values, 1000 do
    redis.call(command, key, unpack(values, first, math.min(first + 999, #values)))
  end
end
