-- A script for several campaigns, as if it ran for each alone. An error of one changes nothing for the others, and stands
-- in the place of its reply as a text. An error that all have is the error of the call: clients look for some of them.
-- ARGV: the number of keys of each; then for each the number of its arguments, and these.
local width, key, at, replies, isFailed = tonumber(ARGV[1]), 0, 2, {}, true
local function serve(count)
  return usual(key, at, count) or script({ unpacked(KEYS, key + 1, key + width) }, { unpacked(ARGV, at + 1, at + count) })
end
while at <= #ARGV do
  local count = tonumber(ARGV[at])
  local isServed, reply = pcall(serve, count)
  if not isServed and type(reply) == 'table' then reply = reply.err end
  if not isServed then reply = tostring(reply) end
  isFailed = isFailed and not isServed and (reply == replies[1] or #replies == 0)
  replies[#replies + 1] = reply
  key, at = key + width, at + count + 1
end
if isFailed then return { err = (string.match(replies[1], '^%u+ ') and '' or 'ERR ') .. replies[1] } end
return { unpacked(replies) }
