-- Takes a unit under a lease for each user of the batch, or says why not.
--
-- KEYS     campaign grants senders leases returned pool data old
-- ARGV     epoch fence sender call fromLine perUser users ids codes data; users, ids and codes have a text for each user
--          with U+0000 between; data has a line for each user, JSON text or empty, or is empty itself; fromLine is 1 for
--          users that were admitted before
-- RETURNS  missing | stale_epoch | stale_rules | rolled_back | queued | no_code, alone; or rebuilding, then for each id
--          that has something already: id, grant, record, as issued if it was; or ok, the campaign's stamp, ended,
--          shutAt (opensAt for not_open, when it closed for closed, otherwise empty), the words of all users with
--          spaces between: new existing unattended issued already_issued sold_out not_open closed paused lapsed; then
--          in their order for new existing unattended issued: grant, record, and for existing its data (or empty); for
--          already_issued: count, count times (grant, record)
-- WRITES   senders campaign grants leases returned pool data; on a refusal nothing but the call number of the sender
-- COST     O(users * (perUser + log leases)), one variadic command per key
local campaignKey, grantsKey, sendersKey, leasesKey, returnedKey, poolKey, dataKey, oldKey =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local epoch, fence, sender, call, fromLine, perUser = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local users, ids, codes, data = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
--- @include "include/column"
--- @include "include/window"
--- @include "include/ready"
--- @include "include/held-before"
--- @include "include/lines"
--- @include "include/freed"
--- @include "include/again"
--- @include "include/finish"

local refusal = unready(epoch, fence)
if refusal then return heldBefore(refusal, column(ids), column(users)) end
-- The caller may know other rules: nobody passes the line, and no unit goes out without the code that its campaign generates.
if campaign.room and fromLine ~= '1' then return { 'queued' } end
-- How many users a call may have follows from it.
if campaign.perUser ~= perUser then return { 'stale_rules' } end
if generates and #column(codes) < #column(users) then return { 'no_code' } end

local shut, shutAt = shutNow()
readHoldings(column(users), 1, 1)
if (campaign.freed or 0) > 0 then readFreed(column(ids), 1, 1) end
if not shut and not repeated then takeUnits(#fields / #grants) end
local words, reply, size = {}, { 'ok', '', '0', shutAt and integer(shutAt) or '', '' }, 5

local function bring(value)
  size = size + 1
  reply[size] = value
end

local function serve(nth, id, code, given)
  local grant, field, record = grantFor(nth, id)
  if record then
    local word, text, own = again(field, record)
    if text then bring(grant); bring(text) end
    if own then bring(own) end
    return word
  end
  if freedTexts[id] then
    bring('0'); bring(freedTexts[id])
    return 'issued'
  end
  if not grant then
    bring(#grants)
    for _, value in ipairs(holdingsOf(nth)) do bring(value) end
    return 'already_issued'
  end
  if shut then return shut end
  if repeated then return 'lapsed' end
  local text
  if behind then text = newGrant(field, id, code, given, 't', integer(first + granted), inLine(first + granted))
  else text = newGrant(field, id, code, given, 'r', stamp, lease) end
  if not text then return 'sold_out' end
  texts[field] = text
  reply[size + 1], reply[size + 2], size = grant, text, size + 2
  return 'new'
end
local codeList, given = column(codes), linesOf(data)
for nth, id in ipairs(column(ids)) do words[nth] = serve(nth, id, codeList[nth], given[nth]) end

-- closeForGood is for good, so a late copy finds the campaign closed again: only writes need the call number.
if not repeated and (granted > 0 or not campaign.closedAt) then noteCall(first, behind and granted or math.min(granted, 1)) end
if granted > 0 then
  writeNewGrants()
  campaign.stamp = first + (behind and granted or 1)
  reply[3] = finish()
end
reply[2], reply[5] = integer(campaign.stamp), table.concat(words, ' ')
return { unpack(reply) }
