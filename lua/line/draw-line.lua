-- Puts users from before the opening into the order of the draw, stretch by stretch. The key of each follows from the
-- seed and the user alone, so any process may draw any stretch, any number of times.
--
-- KEYS     campaign grants senders leases returned pool data queue tickets presence ended
-- ARGV     epoch fence seed limit, then for each user: userId key; the first seed that arrives counts
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back | no_room | not_open, alone; or done | more, the campaign's
--          stamp, the seed, how many are drawn, then for each undrawn user: user
-- WRITES   campaign queue
-- COST     O(limit * log line)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, queueKey, ticketsKey, presenceKey, endedKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local epoch, fence, seed, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local FIRST, STRIDE = 5, 2
--- @include "include/stamp"
--- @include "include/stock"
--- @include "include/line-ready"

local refusal = unreadyLine(epoch, fence)
if not refusal and campaign.opensAt and nowMs < campaign.opensAt then refusal = 'not_open' end
if refusal then return { refusal } end

local rest = {}
freezeDraw()
if draws and room.drawn ~= 'done' then
  room.seed, room.drawn = room.seed or seed, 'running'
  local drawn = {}
  for i = FIRST, room.seed == seed and #ARGV or 0, STRIDE do
    local ticket = redis.call('ZSCORE', queueKey, ARGV[i])
    -- A user that left, or came again after the opening, is not drawn.
    if type(ticket) == 'string' and tonumber(ticket) >= 1 and tonumber(ticket) <= room.drawUpTo then
      drawn[#drawn + 1], drawn[#drawn + 2] = ARGV[i + 1], ARGV[i]
    end
  end
  writeAll('ZADD', queueKey, drawn)
  rest = redis.call('ZRANGEBYSCORE', queueKey, '1', integer(room.drawUpTo), 'LIMIT', 0, integer(limit))
  if #rest == 0 then
    room.drawn = 'done'
    campaign.stamp = nextStamp()
  end
  saveCounters()
  saveRoom()
end
local count = redis.call('ZCOUNT', queueKey, '-inf', '(1')
return { #rest == 0 and 'done' or 'more', integer(campaign.stamp), room.seed or '', count, unpack(rest) }
