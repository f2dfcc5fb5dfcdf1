-- nowMicros, nowMs: the clock of Redis. Float literals keep products exact on a Lua whose integers have 32 bits.
local time = redis.call('TIME')
local nowMicros = tonumber(time[1]) * 1000000.0 + tonumber(time[2])
local nowMs = tonumber(time[1]) * 1000.0 + math.floor(tonumber(time[2]) / 1000)
