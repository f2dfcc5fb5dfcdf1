-- linesOf: the lines of a text. JSON has no line break, so each line of an argument may be a text of JSON, or empty.
local function linesOf(text)
  local lines, from = {}, 1
  repeat
    local to = string.find(text, '\n', from, true)
    lines[#lines + 1] = string.sub(text, from, (to or 0) - 1)
    from = (to or 0) + 1
  until not to
  return lines
end
