-- A script for several campaigns, as if it ran for each alone. An error of one changes nothing for the others, and stands
-- in the place of its reply as a text. That a server takes no writes is the error of the call, because clients look for it
-- and go to another server: nothing was written for any.
-- ARGV: the number of keys of each; then for each the number of its arguments, and these.
local width, key, at, replies = tonumber(ARGV[1]), 0, 2, {}
local function serve(count)
  return usual(key, at, count) or script({ unpacked(KEYS, key + 1, key + width) }, { unpacked(ARGV, at + 1, at + count) })
end
-- One alone is not caught: a server tells more of an error that a script did not catch.
if at + ARGV[at] == #ARGV then return { serve(tonumber(ARGV[at])) } end
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  local isServed, reply = pcall(serve, count)
  if not isServed then
    reply = tostring(type(reply) == 'table' and reply.err or reply)
    if string.find(reply, 'READONLY', 1, true) then return { err = string.match(reply, 'READONLY.*') } end
  end
  replies[#replies + 1] = reply
  key, at = key + width, at + count + 1
end
return { unpacked(replies) }
