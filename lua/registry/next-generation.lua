-- Hands out the generation of one making of a campaign: higher than every one before. The clock alone would not do: it
-- may be set back, or a replica with an earlier clock may be promoted. The counter alone would not do either: Redis may
-- lose it.
--
-- KEYS     generation
-- ARGV     atLeast
-- RETURNS  ok, the generation
-- WRITES   generation
-- COST     O(1)
local generationKey = KEYS[1]
local atLeast = tonumber(ARGV[1])
--- @include "include/now"

local last = redis.call('HMGET', generationKey, 'last')[1]
local before = type(last) == 'string' and tonumber(last) or 0
local generation = string.format('%.0f', math.max(nowMs, before + 1, atLeast))
redis.call('HSET', generationKey, 'last', generation)
return { 'ok', generation }
