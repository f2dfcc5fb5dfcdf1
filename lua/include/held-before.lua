-- heldBefore: the coupons of these users while the state is made again, as id, grant, record each. The state takes
-- nothing then. But a repeat of an earlier call must not get that answer: its unit is in the old state or in the new
-- one, and is or will be issued.
--- @include "include/record"
local function heldBefore(refusal, ids, users)
  local reply = { refusal }
  for i = 1, refusal == 'rebuilding' and #ids or 0 do
    for grant = 1, campaign.perUser do
      local field = integer(grant) .. ':' .. users[i]
      local text = redis.call('HMGET', grantsKey, field)[1]
      if type(text) ~= 'string' then text = redis.call('HMGET', oldKey, field)[1] end
      local record = type(text) == 'string' and decodeRecord(text)
      if record and record.id == ids[i] then
        -- An issued record keeps the stamp 0 when it is carried over.
        if record.stamp == '0' and not isMarked(record) then text = issuedText(text) end
        for _, value in ipairs({ ids[i], integer(grant), text }) do reply[#reply + 1] = value end
      end
    end
  end
  return reply
end
