-- freed: revoked coupons whose grant is free for another request. Each is a field of the campaign hash, freed:<id> with
-- its marked record, and campaign.freed counts them. A repeat under such an id is told so, and takes no unit: it would
-- be delivered, and withdrawn once the row is met, each time anew. A reservation that is gone may be one of them: settle
-- saved it, and a shop revoked it.
--- @include "include/record"
local FREED = 'freed:'
local freedTexts, freedRows = {}, {}

-- The ids are those of the list from `from` on, `stride` apart.
local function readFreed(list, from, stride)
  if (campaign.freed or 0) == 0 then return end
  local ids, names = {}, {}
  for i = from, #list, stride do ids[#ids + 1], names[#names + 1] = list[i], FREED .. list[i] end
  for first = 1, #ids, 500 do
    local last = math.min(first + 499, #ids)
    local texts = redis.call('HMGET', campaignKey, unpack(names, first, last))
    for i = first, last do
      local text = texts[i - first + 1]
      if type(text) == 'string' then freedTexts[ids[i]] = text end
    end
  end
end

local function noteFreed(record) freedRows[#freedRows + 1] = record end

local function writeFreed()
  for _, record in ipairs(freedRows) do
    local text = recordText('i1', '0', record.serial, record.issuedAt, record.id, record.code)
    campaign.freed = (campaign.freed or 0) + redis.call('HSET', campaignKey, FREED .. record.id, text)
  end
end

-- Counts the record of a row. The unit of a freed grant is in nobody's hands.
local function countRow(row)
  local counter = row.became == 'freed' and 'withdrawn' or 'issued'
  campaign[counter] = campaign[counter] + 1
  if row.became == 'freed' then noteFreed(row) end
  if isMarked(row) then campaign.revoked = (campaign.revoked or 0) + 1 end
end
