-- Remembers that a campaign exists, before it is written: its missing state is then not_ready, never unknown. Each
-- registration has a mark of its own.
--
-- KEYS     registry
-- ARGV     campaignId
-- RETURNS  done, alone
-- WRITES   registry
-- COST     O(1)
local registryKey = KEYS[1]
local campaignId = ARGV[1]
--- @include "include/now"

local last = redis.call('HMGET', registryKey, campaignId)[1]
local mark = math.max(nowMicros, type(last) == 'string' and tonumber(last) + 1 or 0)
redis.call('HSET', registryKey, campaignId, string.format('%.0f', mark))
return { 'done' }
