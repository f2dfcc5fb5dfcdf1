-- Lists the campaigns under this prefix, a page at a time. A campaign may appear on two pages.
--
-- KEYS     campaigns
-- ARGV     cursor
-- RETURNS  the next cursor (0 at the end), then each campaign id
-- WRITES
-- COST     O(page)
local campaignsKey = KEYS[1]
local cursor = ARGV[1]
local page = redis.call('SSCAN', campaignsKey, cursor, 'COUNT', '500')
local reply = { page[1] }
for _, id in ipairs(page[2]) do reply[#reply + 1] = id end
return { (unpack or table.unpack)(reply) }
