-- Takes a unit under a lease for each user of the batch, or says why not.
--
-- KEYS     campaign grants senders leases returned pool data old
-- ARGV     epoch fence sender call fromLine perUser data, then for each user: id userId code; data has a line for each user, JSON text or empty, or is empty
--          itself; fromLine is 1 for users that were admitted before
-- RETURNS  missing | stale_epoch | stale_rules | rolled_back | queued | no_code, alone; or rebuilding, then for each id that has something already: id, grant,
--          record, as issued if it was; or ok, the campaign's stamp, ended, shutAt (opensAt for not_open, when it
--          closed for closed, otherwise empty), the words of all users with spaces between: new
--          existing unattended issued already_issued sold_out not_open closed paused lapsed; then in their order for new existing
--          unattended issued: grant, record, and for existing its data (or empty); for already_issued: count, count times (grant, record)
-- WRITES   senders campaign grants leases returned pool data; on a refusal nothing but the call number of the sender
-- COST     O(users * (perUser + log leases)), one variadic command per key
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, oldKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local epoch, fence, sender, call, fromLine, perUser, data = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6]), ARGV[7]
local FIRST, STRIDE = 8, 3
--- @include "include/stamp"
--- @include "include/window"
--- @include "include/ready"
--- @include "include/held-before"
--- @include "include/new-grant"
--- @include "include/lines"
--- @include "include/call"
--- @include "include/due"
--- @include "include/finish"

local refusal = unready(epoch, fence)
if refusal then return heldBefore(refusal, FIRST, STRIDE) end
-- The caller may know other rules: nobody passes the line, and no unit goes out without the code that its campaign generates.
if campaign.room and fromLine ~= '1' then return { 'queued' } end
-- How many users a call may have follows from it.
if campaign.perUser ~= perUser then return { 'stale_rules' } end
if lacksCode(FIRST + 2, STRIDE) then return { 'no_code' } end

local shut, shutAt = shutNow()

local grants, fields = {}, {}
for grant = 1, campaign.perUser do grants[grant] = integer(grant) end
for i = FIRST, #ARGV, STRIDE do
  for grant = 1, #grants do fields[#fields + 1] = grants[grant] .. ':' .. ARGV[i + 1] end
end
local texts = readTexts(fields)
if not shut and not repeated then takeUnits((#ARGV - FIRST + 1) / STRIDE) end

-- New and taken-over reservations carry different stamps. A copy of the call must find only the new ones `new`,
-- because `new` is the right to release. The former owner may have promised a taken-over unit.
local first = nextStamp()
local stamp = integer(first)
local behind, given = campaign.saveMode == 'write-behind', linesOf(data)
local words, reply, size = {}, { 'ok', '', '0', shutAt and integer(shutAt) or '', '' }, 5

local function bring(grant, text)
  reply[size + 1], reply[size + 2] = grant, text
  size = size + 2
end

-- The id's own record comes before window, pause and stock: a repeat after the close still finds its coupon.
local function again(field, record)
  if record.state == 'i' then return 'issued', texts[field] end
  -- No call acts on it here: it keeps its place in the backlog, or in quarantine, and its stamp for the process that
  -- saves it.
  local due = not behind and record.tries ~= '' and redis.call('ZSCORE', leasesKey, field)
  if behind or (type(due) == 'string' and tonumber(due) == tonumber(NEVER)) then return 'unattended', texts[field] end
  if not repeated then
    record.state, record.stamp = 't', integer(first + 1)
    texts[field] = encodeRecord(record)
    setGrant(field, texts[field], lease)
    return 'existing', texts[field], dataOf(field)
  end
  if call == seenCall and record.stamp == seenStamp then return 'new', texts[field] end
  -- Under any other stamp another owner holds it: this call must be sent again and take over.
  return 'lapsed'
end

local function serve(nth, id, code)
  local vacant, before = nil, nth * #grants
  for i = 1, #grants do
    local field = fields[before + i]
    local record = texts[field] and decodeRecord(texts[field])
    if not record then vacant = vacant or i
    elseif record.id == id then return i, again(field, record) end
  end
  if not vacant then
    size = size + 1
    reply[size] = #grants
    for i, grant in ipairs(grants) do bring(grant, texts[fields[before + i]]) end
    return nil, 'already_issued'
  end
  if shut then return nil, shut end
  if repeated then return nil, 'lapsed' end
  local field, text = fields[before + vacant], nil
  if behind then text = newGrant(field, id, code, given[nth + 1], 't', integer(first + granted), inLine(first + granted))
  else text = newGrant(field, id, code, given[nth + 1], 'r', stamp, lease) end
  if not text then return nil, 'sold_out' end
  texts[field] = text
  return vacant, 'new', text
end
for i = FIRST, #ARGV, STRIDE do
  local nth = (i - FIRST) / STRIDE
  local grant, word, text, own = serve(nth, ARGV[i], ARGV[i + 2])
  words[nth + 1] = word
  if text then bring(grants[grant], text) end
  -- The first data stays, whatever this call brings.
  if own then
    size = size + 1
    reply[size] = own
  end
end

-- closeForGood is for good, so a late copy finds the campaign closed again: only writes need the call number.
if not repeated and (granted > 0 or not campaign.closedAt) then noteCall(granted > 0 and stamp) end
if granted > 0 then
  writeGrants()
  writeData()
  writeTaken()
  campaign.stamp = first + (behind and granted or 1)
  reply[3] = finish()
end
reply[2], reply[5] = integer(campaign.stamp), table.concat(words, ' ')
return { unpack(reply) }
