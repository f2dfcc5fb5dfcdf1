-- Notes that a worker is there, and drops workers that were silent for ten of their own intervals. Each call looks at a
-- few of the others, so its cost does not grow with their number.
--
-- KEYS     workers
-- ARGV     worker cursor intervalMs role version succeededMsAgo faultMsAgo fault campaigns; the three before the last
--          are empty if there was none
-- RETURNS  noted, the next cursor
-- WRITES   workers
-- COST     O(page)
local workersKey = KEYS[1]
local worker, cursor, intervalMs, role, version = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local succeededMsAgo, faultMsAgo, fault, campaigns = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
--- @include "include/now"
--- @include "include/listed"

local function before(msAgo)
  return msAgo == '' and '' or string.format('%.0f', nowMs - tonumber(msAgo))
end

local facts = { before('0'), intervalMs, role, version, before(succeededMsAgo), before(faultMsAgo), fault, campaigns }
redis.call('HSET', workersKey, worker, table.concat(facts, ':'))
local page = redis.call('HSCAN', workersKey, cursor, 'COUNT', '20')
local seen = listed(page[2])
for i = 1, #seen, 2 do
  local seenAt, every = string.match(seen[i + 1], '^(%d+):(%d+):')
  if not seenAt or tonumber(seenAt) + 10.0 * tonumber(every) < nowMs then redis.call('HDEL', workersKey, seen[i]) end
end
return { 'noted', page[1] }
