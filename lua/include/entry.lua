-- readEntry: the value, the lease, the mark of the last load and the counted bytes of an entry, as far as they hold now;
-- keepUntil; tell. An instant ahead of the clock says that the clock was set back. Nothing from then holds: it would hold
-- for as long as the step was. A mark without an error says that the value could not be stored.
--- @include "include/now"
local function holds(from, till)
  return tonumber(from) + 0.0 <= nowMs and nowMs < tonumber(till) + 0.0
end

local function readEntry()
  local kept = redis.call('HMGET', entryKey, 'value', 'lease', 'failed', 'counted')
  local entry = {}
  if type(kept[1]) == 'string' then
    local storedAt, expiresAt, endsAt, took, text = string.match(kept[1], '^(%d+):(%d+):(%d+):(%d+):(.+)$')
    if text and holds(storedAt, endsAt) then
      entry.text, entry.took = text, tonumber(took) + 0.0
      entry.expiresAt, entry.endsAt = tonumber(expiresAt) + 0.0, tonumber(endsAt) + 0.0
    end
  end
  if type(kept[2]) == 'string' then
    local from, till, token = string.match(kept[2], '^(%d+):(%d+):(.+)$')
    entry.token, entry.heldUntil = token, token and holds(from, till) and tonumber(till) + 0.0
  end
  if type(kept[3]) == 'string' then
    local from, till, failure = string.match(kept[3], '^(%d+):(%d+):(.*)$')
    if failure and holds(from, till) then entry.failure, entry.failedUntil = failure, tonumber(till) + 0.0 end
  end
  if type(kept[4]) == 'string' then
    local goneAt, bytes = string.match(kept[4], '^(%d+):(%d+)$')
    if goneAt then entry.goneAt, entry.countedBytes = tonumber(goneAt) + 0.0, tonumber(bytes) + 0.0 end
  end
  return entry
end

local function instant(ms)
  return string.format('%.0f', ms)
end

-- Never shorter than its value holds, and than its bytes are counted.
local function keepUntil(entry, till)
  redis.call('PEXPIREAT', entryKey, instant(math.max(till, entry.endsAt or 0, entry.goneAt or 0)))
end

-- Without the right to send, the processes that wait or remember lose time, and nothing else.
local function tell(listeners, news)
  return pcall(redis.call, 'PUBLISH', listeners, news .. ':' .. entryKey) and 'told' or 'untold'
end
