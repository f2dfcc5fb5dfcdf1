-- campaign: the fields of the campaign hash (campaignKey); an absent field is nil, a number is a float. saveCounters
-- writes back the fields that a script may change, the stamp among them. FORMAT: how this version keeps a campaign. It
-- is raised with each change that an older version would misread. No script goes on with a campaign of another format,
-- or of none: what it would take for a number or a record may be something else there.
local FORMAT = '1'
local unpack = unpack or table.unpack
local function integer(number) return string.format('%.0f', number) end

-- The numbers first, the counters before the others; then the texts.
local FIELDS = {
  'stamp', 'lastSerial', 'reserved', 'issued', 'withdrawn', 'returned', 'pool', 'data', 'revoked', 'replaced', 'revoking', 'freed',
  'total', 'opened', 'removed', 'perUser', 'opensAt', 'closesAt', 'closedAt', 'retainMs', 'leaseMs', 'codes', 'senders', 'savesAt',
  'epoch', 'verified', 'kind', 'generate', 'needs', 'saveMode', 'paused', 'exhausted', 'building',
  'room', 'store', 'format',
}
local LAST_COUNTER, LAST_NUMBER = 13, 24

local campaign, found = {}, {}
local stored = redis.call('HMGET', campaignKey, unpack(FIELDS))
for i = 1, #FIELDS do
  local value = stored[i]
  if type(value) == 'string' then
    if i <= LAST_NUMBER then value = tonumber(value) + 0.0 end
    campaign[FIELDS[i]] = value
    if i <= LAST_COUNTER then found[i] = value end
  end
end
if campaign.epoch and campaign.format ~= FORMAT then return { 'unknown_format' } end

local storedStamp = campaign.stamp

local function saveCounters()
  local values = {}
  for i = 1, LAST_COUNTER do
    local count = campaign[FIELDS[i]]
    if count ~= found[i] then
      found[i] = count
      values[#values + 1] = FIELDS[i]
      values[#values + 1] = integer(count)
    end
  end
  if #values > 0 then redis.call('HSET', campaignKey, unpack(values)) end
end
