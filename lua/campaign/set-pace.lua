-- Changes how fast workers may go; a field that is not named stays as it is. A change names the last one that its
-- caller knows of, so a copy that arrives after another change does nothing, whichever process sent the two.
--
-- KEYS     campaign
-- ARGV     epoch follows, then for each field: name value; follows is the instant of the last change, 0 for none; an
--          empty value removes the cap
-- RETURNS  missing | rebuilding | stale_epoch | no_room, alone; or lapsed, the instant of the last change; or done, the
--          campaign's stamp, then the pace: savesPerSecond, admitPerSecond, waves, each empty for no cap
-- WRITES   campaign
-- COST     O(waves)
local campaignKey = KEYS[1]
local epoch, follows = ARGV[1], ARGV[2]
local FIRST, STRIDE = 3, 2
--- @include "include/stamp"
--- @include "include/serving"
--- @include "include/pace"

local refusal = unserved(epoch)
if refusal then return { refusal } end
for i = FIRST, #ARGV, STRIDE do
  if ARGV[i] ~= 'savesPerSecond' and ARGV[i + 1] ~= '' and not campaign.room then return { 'no_room' } end
end
local last = pace.pacedAt or '0'
if follows ~= last then return { 'lapsed', last } end

-- The rest of a wave that is no longer planned admits nobody.
local function endsWave(waves)
  local planned = {}
  for wave in string.gmatch(waves, '%S+') do planned[wave] = true end
  for wave in string.gmatch(pace.waves or '', '%S+') do
    if not planned[wave] then return true end
  end
  return false
end

-- An instant, and no count: after a rollback a count would come again. The clock may be set back.
local set, removed, changes = { 'pacedAt', integer(math.max(nowMicros, tonumber(last) + 1)) }, {}, false
local function write(name, value) set[#set + 1], set[#set + 2] = name, value end
for i = FIRST, #ARGV, STRIDE do
  local name, value = ARGV[i], ARGV[i + 1]
  if (pace[name] or '') ~= value then
    changes = true
    if name == 'waves' and endsWave(value) then write('waveLeft', '0') end
    if value == '' then removed[#removed + 1] = name else write(name, value) end
    pace[name] = value
  end
end
redis.call('HSET', campaignKey, unpack(set))
if #removed > 0 then redis.call('HDEL', campaignKey, unpack(removed)) end
if changes then raiseStamp() end
saveCounters()
return { 'done', integer(campaign.stamp), pace.savesPerSecond or '', pace.admitPerSecond or '', pace.waves or '' }
