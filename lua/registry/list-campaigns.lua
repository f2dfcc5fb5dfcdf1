-- Lists the campaigns under this prefix, a page at a time. A campaign may appear on two pages.
--
-- KEYS     campaigns
-- ARGV     cursor
-- RETURNS  the next cursor (0 at the end), then in pieces each campaign id
-- WRITES   nothing
-- COST     O(page)
local campaignsKey = KEYS[1]
local cursor = ARGV[1]
--- @include "include/listed"
--- @include "include/pieces"
local page = redis.call('SSCAN', campaignsKey, cursor, 'COUNT', '500')
return { page[1], inPieces(listed(page[2])) }
