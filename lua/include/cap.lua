-- A cap of so many per second, whoever asks. usedUpTo is the instant, in µs, up to which it is used up; what was saved up is at most a
-- tenth of a second's worth. It is ahead of the clock only if that was set back. Whole µs: numbers of this size have no smaller
-- fractions to count with.
local function underCap(perSecond, usedUpTo, limit)
  local every = math.ceil(1000000 / perSecond)
  local from = math.min(nowMicros, math.max(usedUpTo or 0, nowMicros - math.max(every, 100000)))
  return every, from, math.min(limit, math.floor((nowMicros - from) / every))
end
