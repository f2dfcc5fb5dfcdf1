-- Waves from before this state, or before the opening, do not count for this line.
--- @include "include/room"
-- A generation is the clock of its making, or beyond it: the clock may have been ahead before.
local madeAt = math.min(nowMs, tonumber(string.match(campaign.epoch or '0', '^%d+')) + 0.0)
local beforeFirst = math.max(madeAt, campaign.opensAt or 0) - 1

-- leftOfWaves: how many users the waves that are due may still admit. A wave is <from>:<every>:<count>, in ms; every is
-- 0 for once. A wave without a worker is made up for; the rest of a wave with an empty line is not.
local function leftOfWaves(waves)
  local since, left = room.waveAt or beforeFirst, room.waveLeft or 0
  for from, every, count in string.gmatch(waves, '(%d+):(%d+):(%d+)') do
    from, every, count = tonumber(from) + 0.0, tonumber(every) + 0.0, tonumber(count) + 0.0
    local function dueBy(at)
      if at < from then return 0 end
      return every > 0 and math.floor((at - from) / every) + 1 or 1
    end
    left = left + math.max(0, dueBy(nowMs) - dueBy(since)) * count
  end
  -- If the clock was set back, no wave admits a second time.
  room.waveAt, room.waveLeft = math.max(since, nowMs), math.max(0, left)
  return math.max(0, left)
end

-- Notes the admitted users. If no wave is planned, waves that are planned later begin from here.
local function spendWaves(waves, admitted)
  if waves then room.waveLeft = room.waiting > 0 and room.waveLeft - admitted or 0
  else room.waveAt, room.waveLeft = math.max(room.waveAt or 0, nowMs), 0 end
end
