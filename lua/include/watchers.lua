-- room.watchers: the processes that watch, as <watcher>:<since>:<until>, with spaces between. All users of such a
-- process were seen at `since` or later; 0: that is not known yet. A process that died is forgotten after `until`. Both
-- in ms.
--- @include "include/room"
local function noteWatcher(watcher, since, keepMs)
  local entries = {}
  for id, from, to in string.gmatch(room.watchers or '', '([^: ]+):(%d+):(%d+)') do
    if id ~= watcher and tonumber(to) > nowMs then entries[#entries + 1] = id .. ':' .. from .. ':' .. to end
  end
  if keepMs > 0 then entries[#entries + 1] = watcher .. ':' .. since .. ':' .. integer(nowMs + keepMs) end
  room.watchers = table.concat(entries, ' ')
end

-- All watched users were seen at this instant or later, ms.
local function watchedSince()
  local earliest = nowMs
  for from, to in string.gmatch(room.watchers or '', ':(%d+):(%d+)') do
    if tonumber(to) > nowMs then earliest = math.min(earliest, tonumber(from)) end
  end
  return earliest
end
