-- A user without a sign of life for presenceMs is absent; their place is kept for as long again, the grace, and then
-- lost. Time without a look does not count: Redis was away, the campaign was paused, or no worker ran. Afterwards every
-- user has both spans again.
--- @include "include/watchers"
local function watchAbsence()
  if presenceMs == 0 then return end
  if not room.sweptAt or nowMs - room.sweptAt > presenceMs then room.graceUntil = nowMs + 2 * presenceMs end
  room.sweptAt = nowMs
end

-- Before this instant, in ms, a last sign of life is too long ago. The sweep waits for a process with longer looks: a
-- watched user is never absent.
local function lostBefore()
  if presenceMs == 0 or nowMs < (room.graceUntil or 0) then return 0 end
  return math.max(0, watchedSince() - 2 * presenceMs)
end

local function isAbsent(user)
  local before = lostBefore()
  local seenAt = before > 0 and redis.call('ZSCORE', presenceKey, user)
  return type(seenAt) == 'string' and tonumber(seenAt) < before
end
