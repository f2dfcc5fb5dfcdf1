-- wordOfAll: the word of a batch whose users have nothing and get the same answer; otherwise nil, and nothing changed.
-- in_order: all have new units now, with the next serials in the order of the users; it brings the record of the first.
-- Everything that is unusual is for the code that looks at each user.
--- @include "include/column"
--- @include "include/again"
--- @include "include/freed"

-- Nil if a user stands twice, or is to have a returned unit or one of the pool, or if the stock ends in the batch.
local function takeInOrder()
  local count, serial = #fields, campaign.lastSerial
  if #grants > 1 or #free > 0 or #ids ~= (ID_LENGTH + 1) * count - 1 or idLength ~= '22' then return nil end
  if campaign.total and serial + count > campaign.total then return nil end
  local head, middle = (lease and 'r:' or 'i:') .. stamp .. ':', ':' .. issuedAt .. ':'
  -- %d is the cheaper one, and has 32 bits on some servers.
  local number, nextCode = serial + count < 2147483648 and '%d' or '%.0f', generates and string.gmatch(codes, '%Z+')
  local format, sub, isTaken, writes, leases = string.format, string.sub, {}, {}, {}
  for i = 1, count do
    local field = fields[i]
    if isTaken[field] then return nil end
    isTaken[field] = true
    local id = sub(ids, (ID_LENGTH + 1) * i - ID_LENGTH, (ID_LENGTH + 1) * i - 1)
    local text = head .. format(number, serial + i) .. middle .. id .. ':'
    if nextCode then text = text .. nextCode() end
    writes[2 * i - 1], writes[2 * i] = field, text
    if lease then leases[2 * i - 1], leases[2 * i] = lease, field end
  end
  grantWrites, leaseWrites, granted, leased = writes, leases, count, lease and count or 0
  campaign.lastSerial, campaign[counter] = serial + count, campaign[counter] + count
  return writes[2]
end

local function wordOfAll(shut)
  if next(texts) or next(freedTexts) then return nil end
  if shut then return shut end
  if repeated then return nil end
  if available() == 0 then return 'sold_out' end
  local record = not behind and data == '' and takeInOrder()
  if record then return 'in_order', record end
end
