-- Lists the workers, a page at a time. A worker may appear on two pages.
--
-- KEYS     workers
-- ARGV     cursor
-- RETURNS  the next cursor (0 at the end), nowMs, then in pieces for each: worker, its facts
-- WRITES   nothing
-- COST     O(page)
local workersKey = KEYS[1]
local cursor = ARGV[1]
--- @include "include/now"
--- @include "include/listed"
--- @include "include/pieces"
local page = redis.call('HSCAN', workersKey, cursor, 'COUNT', '500')
return { page[1], string.format('%.0f', nowMs), inPieces(listed(page[2])) }
