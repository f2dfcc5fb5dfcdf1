-- Lists the campaigns under this prefix, a page at a time. A campaign may appear on two pages.
--
-- KEYS     campaigns
-- ARGV     cursor
-- RETURNS  the next cursor (0 at the end), then each campaign id
-- WRITES   nothing
-- COST     O(page)
local campaignsKey = KEYS[1]
local cursor = ARGV[1]
local page = redis.call('SSCAN', campaignsKey, cursor, 'COUNT', '500')
local reply = { page[1] }
-- A list within a reply starts at 0 on ioredis-mock.
for i = 0, #page[2] do
  if type(page[2][i]) == 'string' then reply[#reply + 1] = page[2][i] end
end
return { (unpack or table.unpack)(reply) }
