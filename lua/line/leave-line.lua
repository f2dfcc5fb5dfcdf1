-- Gives the place of one user up, or says why there is none to give up.
--
-- KEYS     campaign grants senders leases returned pool data queue tickets presence ended
-- ARGV     epoch fence sender call userId
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back | no_room | lapsed, alone; or ok, the campaign's stamp,
--          word, then now if they left by this very call, or for each held: grant, record. Words: left absent sold_out
--          closed none; held, the only one that others follow
-- WRITES   senders campaign queue tickets presence ended
-- COST     O(perUser + log line)
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, queueKey, ticketsKey, presenceKey, endedKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10], KEYS[11]
local epoch, fence, sender, call, userId = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5]
--- @include "include/stamp"
--- @include "include/stock"
--- @include "include/call"
--- @include "include/line-ready"
--- @include "include/place"
--- @include "include/line"

local refusal = unreadyLine(epoch, fence)
if refusal then return { refusal } end

readPlaces({ userId })
-- A late copy must not take away the place of a user that joined since, or joined again.
local waited = ticketIds[userId]
if waited and repeated then return { 'lapsed' } end
if waited then takeOut({ userId }, 'left') end
-- After the close nobody comes again, so a copy finds nobody to take away.
if not repeated and not campaign.closedAt then noteCall() end
if waited then
  campaign.stamp = nextStamp()
  saveCounters()
  saveRoom()
  return { 'ok', integer(campaign.stamp), 'left', 'now' }
end
local why = whyEnded(userId)
local held = why and {} or holdingsOf(1)
return { 'ok', integer(campaign.stamp), why or (#held > 0 and 'held') or overNow() or 'none', unpack(held) }
