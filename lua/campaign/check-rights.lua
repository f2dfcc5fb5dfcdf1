-- Tries each command that the scripts call, on a key that nobody uses, and says which of them this user may not run.
-- The server looks at a right when a script calls the command, so a script that lacks one stops in the middle, and
-- Redis takes no write back.
--
-- KEYS     rights
-- ARGV     none
-- RETURNS  ok, alone; or forbidden, then each command
-- WRITES   nothing; its traces are removed
-- COST     O(1)
local rightsKey = KEYS[1]
-- Each with its arguments behind the key. On a hash, which the second one makes, those for other types are errors and
-- change nothing.
local TRIES = {
  'UNLINK', 'HSET f v', 'HGET f', 'HMGET f', 'HLEN', 'HKEYS', 'HSCAN 0', 'HINCRBY f x', 'EXISTS', 'TYPE', 'PERSIST',
  'RPUSH v', 'LPUSH v', 'LSET 0 v', 'LINDEX 0', 'LLEN', 'LRANGE 0 0', 'LREM 0 v', 'LTRIM 0 0',
  'SADD v', 'SCARD', 'SISMEMBER v', 'SREM v', 'SSCAN 0',
  'ZADD 1 v', 'ZCARD', 'ZCOUNT 0 0', 'ZRANGE 0 0', 'ZRANGEBYSCORE 0 0', 'ZRANK v', 'ZREM v', 'ZREMRANGEBYRANK 0 0',
  'ZREVRANGE 0 0', 'ZSCORE v', 'HDEL f', 'PEXPIREAT 1', 'UNLINK',
}
local REFUSALS = { "can't run this command", 'no permissions to run', 'NOPERM', 'Unknown Redis command' }

local forbidden, seen = {}, {}
local function try(name, ...)
  local isDone, fault = pcall(redis.call, name, ...)
  if isDone then return end
  local message = type(fault) == 'table' and fault.err or tostring(fault)
  for _, refusal in ipairs(REFUSALS) do
    if string.find(message, refusal, 1, true) and not seen[name] then
      seen[name] = true
      forbidden[#forbidden + 1] = name
    end
  end
end

try('TIME')
try('RENAME', rightsKey, rightsKey)
for _, line in ipairs(TRIES) do
  local words = {}
  for word in string.gmatch(line, '%S+') do words[#words + 1] = word end
  -- A command whose trace cannot be removed is not tried.
  if not seen.UNLINK or #words == 1 then try(words[1], rightsKey, (unpack or table.unpack)(words, 2)) end
end
if #forbidden == 0 then return { 'ok' } end
return { 'forbidden', (unpack or table.unpack)(forbidden) }
