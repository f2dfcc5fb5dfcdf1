-- served: the users in line who leave it for these rows. Their ticket has the id of the row; or they may have no other
-- coupon beside it, as beside that of a freed grant.
--- @include "include/line"
local function served(first, stride)
  local users, isGone = {}, {}
  if not room.line or not lineIsWhole() or room.waiting == 0 then return users end
  for i = first, #ARGV, stride do
    local user = string.match(ARGV[i], ':(.*)$')
    local ticket = redis.call('HGET', ticketsKey, user)
    local isFull = campaign.perUser == 1 and ARGV[i + 5] ~= 'freed'
    if type(ticket) == 'string' and (splitTicket(ticket) == ARGV[i + 1] or isFull) and not isGone[user] then
      users[#users + 1], isGone[user] = user, true
    end
  end
  return users
end
