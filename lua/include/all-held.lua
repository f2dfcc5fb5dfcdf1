-- issueAll: whether all these reservations are held, each once; their issued records are collected then. Otherwise
-- nothing changed, and each has to be looked at. `ids` is a column. The stamp and the field name a reservation; the id
-- is looked for anywhere behind them, because no code has it.
--- @include "include/column"
--- @include "include/grants"
local function issueAll(fields, texts, stamps, ids)
  local find, sub, isEnded, writes, stamp, head, length = string.find, string.sub, {}, {}, nil, nil, nil
  for i = 1, #fields do
    local field = fields[i]
    local text = texts[field]
    if not text or isEnded[field] then return false end
    isEnded[field] = true
    if stamps[i] ~= stamp then
      stamp = stamps[i]
      head = sub(text, 1, 1) .. ':' .. stamp .. ':'
      length = #head
      if sub(head, 1, 1) == 'i' then return false end
    end
    -- Of another length it is looked for in vain.
    local id = sub(ids, (ID_LENGTH + 1) * i - ID_LENGTH, (ID_LENGTH + 1) * i - 1)
    if sub(text, 1, length) ~= head or not find(text, ':' .. id .. ':', length, true) then return false end
    writes[2 * i - 1], writes[2 * i] = field, 'i:0:' .. sub(text, length + 1)
  end
  grantWrites, granted = writes, #fields
  return true
end
