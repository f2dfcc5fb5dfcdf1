-- unreadyLine: the same for a state whose line is acted on. `no_room`: the campaign has no waiting room.
--- @include "include/ready"
--- @include "include/room"
local function unreadyLine(epoch, fence)
  local refusal = unready(epoch, fence)
  if refusal then return refusal end
  if not campaign.room then return 'no_room' end
  if not lineIsWhole() then return 'missing' end
end
