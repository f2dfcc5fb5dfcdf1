-- The coupons of the users of a batch, looked up all at once. `nth` is the place of a user in the batch, where they may
-- stand twice.
--- @include "include/record"
local grants, fields, texts = {}, {}, {}
for grant = 1, campaign.perUser or 0 do grants[grant] = integer(grant) end

-- The users are those of the list from `from` on, `stride` apart.
local function readHoldings(list, from, stride)
  local count = 0
  for i = from, #list, stride do
    for grant = 1, #grants do
      count = count + 1
      fields[count] = grants[grant] .. ':' .. list[i]
    end
  end
  texts = readTexts(fields)
end

-- Pairs of grant and record.
local function holdingsOf(nth)
  local held, before = {}, (nth - 1) * #grants
  for grant = 1, #grants do
    local text = texts[fields[before + grant]]
    if text then held[#held + 1], held[#held + 2] = grants[grant], text end
  end
  return held
end

-- The grant with this id, its field and its record. Or, without a record, the first grant that this user has not, and
-- its field; or nil.
local function grantFor(nth, id)
  local vacant, vacantField
  local before = (nth - 1) * #grants
  for grant = 1, #grants do
    local field = fields[before + grant]
    local record = texts[field] and decodeRecord(texts[field])
    if record and record.id == id then return grants[grant], field, record end
    if not record and not vacant then vacant, vacantField = grants[grant], field end
  end
  return vacant, vacantField
end
