-- Ends the places of users that were absent for too long. Once nothing is left to wait for, ends the places of the
-- first users.
--
-- KEYS     campaign grants senders leases returned pool data codes queue tickets presence ended
-- ARGV     epoch fence limit
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back | no_room | paused, alone; or absent | sold_out | closed,
--          the campaign's stamp, how many lost their place, how many still wait
-- WRITES   campaign queue tickets presence ended
-- COST     O(limit * log line)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, queueKey, ticketsKey, presenceKey, endedKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
local epoch, fence, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
--- @include "include/stock"
--- @include "include/stamp"
--- @include "include/line-ready"
--- @include "include/line"
--- @include "include/absence"
--- @include "include/finish"

local refusal = unreadyLine(epoch, fence)
local over = not refusal and overNow()
if not refusal and not over and shutNow() == 'paused' then refusal = 'paused' end
if refusal then return { refusal } end

local gone = {}
if over then
  gone = redis.call('ZRANGE', queueKey, 0, integer(limit - 1))
  if #gone > 0 then room.overUpTo, room.overWhy = tonumber(redis.call('ZSCORE', queueKey, gone[#gone])), over end
  takeOut(gone)
else
  watchAbsence()
  local before = lostBefore()
  if before > 0 then
    gone = redis.call('ZRANGEBYSCORE', presenceKey, '-inf', '(' .. integer(before), 'LIMIT', 0, integer(limit))
  end
  takeOut(gone, 'absent')
end
if #gone > 0 then campaign.stamp = nextStamp() end
saveRoom()
finish()
return { over or 'absent', integer(campaign.stamp), #gone, integer(room.waiting) }
