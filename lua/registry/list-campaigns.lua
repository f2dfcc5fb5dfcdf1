-- Lists the campaigns under this prefix, a page at a time. A campaign may appear on two pages.
--
-- KEYS     registry
-- ARGV     cursor
-- RETURNS  the next cursor (0 at the end), then in pieces each campaign id
-- WRITES   nothing
-- COST     O(page)
local registryKey = KEYS[1]
local cursor = ARGV[1]
--- @include "include/listed"
--- @include "include/pieces"
local page = redis.call('HSCAN', registryKey, cursor, 'COUNT', '500')
local ids = {}
-- Each is followed by its mark.
for i, value in ipairs(listed(page[2])) do
  if i % 2 == 1 then ids[#ids + 1] = value end
end
return { page[1], inPieces(ids) }
