-- Counts the bytes of a value that is about to be stored, by the instant when it will be gone, and refuses it where too
-- many would live at a time. Nothing is ever subtracted: a count goes when all of its values are gone. So the sum is never
-- below the truth. An entry keeps until when it is counted, so it counts at most once per slice of a life.
--
-- KEYS     stored
-- ARGV     bytes limit lifeMs
-- RETURNS  counted, until when; or full, alone
-- WRITES   stored
-- COST     O(different lives)
local storedKey = KEYS[1]
local bytes, limit, lifeMs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local SLICES = 8
--- @include "include/now"
--- @include "include/listed"

local slice = math.ceil(lifeMs / SLICES)
local goneAt = (math.ceil((nowMs + lifeMs) / slice) + 0.0) * slice
local field = string.format('%.0f', goneAt)
local over, last, sum, own = {}, goneAt, bytes + 0.0, 0.0
for _, name in ipairs(listed(redis.call('HKEYS', storedKey))) do
  local at = tonumber(name) + 0.0
  if at > nowMs then
    local count = tonumber(redis.call('HGET', storedKey, name)) + 0.0
    sum, last = sum + count, math.max(last, at)
    if name == field then own = count end
  else
    over[#over + 1] = name
  end
end
if sum > limit then return { 'full' } end
redis.call('HSET', storedKey, field, string.format('%.0f', own + bytes))
for _, name in ipairs(over) do redis.call('HDEL', storedKey, name) end
redis.call('PEXPIREAT', storedKey, string.format('%.0f', last))
return { 'counted', field }
