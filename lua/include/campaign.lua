-- campaign: the fields of the campaign hash (campaignKey); an absent field is nil, a number is a float.
-- saveCounters writes back what a script may change.
local unpack = unpack or table.unpack
local function integer(number) return string.format('%.0f', number) end

local TEXTS = { 'epoch', 'verified', 'kind', 'generate', 'needs', 'saveMode', 'paused', 'exhausted', 'building' }
local COUNTERS = { 'stamp', 'lastSerial', 'reserved', 'issued', 'withdrawn', 'returned', 'pool' }
local FIELDS = { 'total', 'opened', 'removed', 'perUser', 'opensAt', 'closesAt', 'closedAt', 'retainMs', 'leaseMs' }
for _, name in ipairs({ 'codes', 'senders', 'savesAt' }) do FIELDS[#FIELDS + 1] = name end
local FIRST_TEXT = #FIELDS + #COUNTERS + 1
for _, name in ipairs(COUNTERS) do FIELDS[#FIELDS + 1] = name end
for _, name in ipairs(TEXTS) do FIELDS[#FIELDS + 1] = name end

local campaign = {}
for i, value in ipairs(redis.call('HMGET', campaignKey, unpack(FIELDS))) do
  if type(value) == 'string' then campaign[FIELDS[i]] = i < FIRST_TEXT and tonumber(value) + 0.0 or value end
end

local function saveCounters()
  local values = {}
  for _, name in ipairs(COUNTERS) do
    values[#values + 1] = name
    values[#values + 1] = integer(campaign[name])
  end
  redis.call('HSET', campaignKey, unpack(values))
end
