-- keepUpdated: what a rebuild does with the window and the limit that the campaign was given while it ran. They stay if
-- the rebuild names the definition that the campaign was opened with, or the one that holds now; and so does what it
-- was opened with.
--- @include "include/campaign"
local function keepUpdated(rules)
  local openedWith = redis.call('HMGET', campaignKey, 'openedWith')[1]
  if type(openedWith) ~= 'string' then return end
  local asked, there = {}, {}
  for i, name in ipairs({ 'opensAt', 'closesAt', 'perUser' }) do
    asked[i] = rules[name] or ''
    there[i] = campaign[name] and integer(campaign[name]) or ''
  end
  local text = table.concat(asked, ':')
  if text ~= openedWith and text ~= table.concat(there, ':') then return end
  rules.opensAt, rules.closesAt = campaign.opensAt and there[1], campaign.closesAt and there[2]
  rules.perUser, rules.openedWith = there[3], openedWith
end
