-- nowMicros, nowMs, exactNow: the clock of Redis; exactNow is in ms, with the µs behind a point. Float literals keep
-- products exact on a Lua whose integers have 32 bits.
local time = redis.call('TIME')
local nowMicros = tonumber(time[1]) * 1000000.0 + tonumber(time[2])
local nowMs = tonumber(time[1]) * 1000.0 + math.floor(tonumber(time[2]) / 1000)
local function exactNow()
  return string.format('%.3f', nowMicros / 1000)
end
