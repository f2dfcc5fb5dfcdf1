-- Moves the window of a campaign, or raises its limit. A change is made once, also if its reply is lost: its request id
-- is kept. It names how many changes its caller knows of, so a late copy never undoes a later change.
--
-- KEYS     campaign
-- ARGV     epoch fence known requestId, then for each rule: name value; the value is empty to remove a bound
-- RETURNS  missing | rebuilding | stale_epoch | rolled_back | another_change | closed | opened | draws | fewer |
--          no_window | past_validity, alone; or stale_rules, how many changes were made; or done, the campaign's stamp, opensAt,
--          closesAt (or empty), perUser
-- WRITES   campaign
-- COST     O(rules)
local campaignKey = KEYS[1]
local epoch, fence, known, requestId = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local FIRST, STRIDE = 5, 2
--- @include "include/stamp"
--- @include "include/serving"

local refusal = unserved(epoch, fence)
if refusal then return { refusal } end

local rules, names, texts = {}, { 'opensAt', 'closesAt', 'perUser' }, {}
for _, name in ipairs(names) do rules[name] = campaign[name] and integer(campaign[name]) or '' end
local opened = table.concat({ rules.opensAt, rules.closesAt, rules.perUser }, ':')
for i = FIRST, #ARGV, STRIDE do
  rules[ARGV[i]] = ARGV[i + 1]
  texts[#texts + 1] = ARGV[i] .. '=' .. ARGV[i + 1]
end
local change, changeField = table.concat(texts, ' '), 'update:' .. requestId
local before = redis.call('HMGET', campaignKey, changeField, 'updates', 'openedWith', 'drawUpTo', 'validity')
local updates = type(before[2]) == 'string' and before[2] or '0'

if type(before[1]) == 'string' then
  if before[1] ~= change then return { 'another_change' } end
elseif campaign.closedAt then
  return { 'closed' }
elseif updates ~= known then
  return { 'stale_rules', updates }
else
  local draws = string.sub(campaign.room or '', -2) == ':1'
  local began = nowMs >= (campaign.opensAt or 0)
  -- Until the set of the draw is fixed, the opening has ordered no user.
  if draws then began = type(before[4]) == 'string' end
  local opensAt, closesAt = tonumber(rules.opensAt), tonumber(rules.closesAt)
  if began and opensAt ~= campaign.opensAt then return { 'opened' } end
  if draws and not opensAt then return { 'draws' } end
  if opensAt and closesAt and opensAt >= closesAt then return { 'no_window' } end
  -- A coupon that is given later would be expired at its issue.
  local validUntil = tonumber(string.match(type(before[5]) == 'string' and before[5] or '', '^%d+'))
  if validUntil and (not closesAt or closesAt > validUntil) then return { 'past_validity' } end
  -- No script looks at grants above the limit.
  if tonumber(rules.perUser) < campaign.perUser then return { 'fewer' } end
  campaign.stamp = nextStamp()
  local writes = { changeField, change, 'updates', integer(tonumber(updates) + 1), 'stamp', integer(campaign.stamp) }
  if type(before[3]) ~= 'string' then writes[7], writes[8] = 'openedWith', opened end
  local removed = {}
  for i, name in ipairs(names) do
    campaign[name] = tonumber(rules[name])
    if campaign[name] then writes[#writes + 1], writes[#writes + 2] = name, rules[name]
    else removed[#removed + 1] = name end
  end
  redis.call('HSET', campaignKey, unpack(writes))
  if #removed > 0 then redis.call('HDEL', campaignKey, unpack(removed)) end
end
local function now(name) return campaign[name] and integer(campaign[name]) or '' end
return { 'done', integer(campaign.stamp), now('opensAt'), now('closesAt'), now('perUser') }
