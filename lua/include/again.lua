-- again: the word for a user whose id has a record. It comes before window, pause and stock: a repeat after the close
-- still finds its coupon.
--- @include "include/call"
--- @include "include/stamp"
--- @include "include/due"
--- @include "include/holdings"
--- @include "include/new-grant"
-- New and taken-over reservations carry different stamps. A copy of the call must find only the new ones `new`,
-- because `new` is the right to release. The former owner may have promised a taken-over unit.
local first = nextStamp()
local stamp = integer(first)
local behind = campaign.saveMode == 'write-behind'

-- Answers the word, the record and, for a reservation that is taken over, its data.
local function again(field, record)
  local own = isOwn(record)
  if record.state == 'i' then return own and 'new' or 'issued', texts[field] end
  -- No call acts on it here: it keeps its place in the backlog, or in quarantine, and its stamp for the process that
  -- saves it.
  local due = not behind and record.tries ~= '' and redis.call('ZSCORE', leasesKey, field)
  if behind and own then return 'new', texts[field] end
  if behind or (type(due) == 'string' and tonumber(due) == tonumber(NEVER)) then return 'unattended', texts[field] end
  if not repeated then
    record.state, record.stamp = 't', integer(first + 1)
    texts[field] = encodeRecord(record)
    setGrant(field, texts[field], lease)
    -- The first data stays, whatever this call brings.
    return 'existing', texts[field], dataOf(field)
  end
  if own then return 'new', texts[field] end
  -- Under any other stamp another owner holds it: this call must be sent again and take over.
  return 'lapsed'
end
