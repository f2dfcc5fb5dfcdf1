-- A cap per second over all callers; 0 allows none, and no number is no cap. The cap is used up to the instant
-- usedUpTo, in µs. Unused time adds at most a tenth of a second's worth. usedUpTo is ahead of the clock only if that
-- was set back. Whole µs: numbers of this size have no smaller fractions to count with.
--- @include "include/now"
local function underCap(perSecond, usedUpTo, limit)
  if not perSecond then return 0, nowMicros, limit end
  if perSecond == 0 then return 0, nowMicros, 0 end
  local every = math.ceil(1000000 / perSecond)
  local from = math.min(nowMicros, math.max(usedUpTo or 0, nowMicros - math.max(every, 100000)))
  return every, from, math.min(limit, math.floor((nowMicros - from) / every))
end

-- Until the next one, ms, as text.
local function msUntilNext(every, usedUpTo) return string.format('%.0f', math.max(0, math.ceil((usedUpTo + every - nowMicros) / 1000))) end
