-- Forgets a worker that was stopped.
--
-- KEYS     workers
-- ARGV     worker
-- RETURNS  done, alone
-- WRITES   workers
-- COST     O(1)
local workersKey = KEYS[1]
local worker = ARGV[1]
redis.call('HDEL', workersKey, worker)
return { 'done' }
