-- Scores of the leases. A lease ends at an instant in ms. The backlog of write-behind has its stamp in seconds: always
-- due, and in the order of the stamps. It is below LINE_END, every instant above. NEVER: in quarantine, until an
-- operator decides.
local NEVER = '9007199254740991'
local LINE_END = '100000000000'
local function inLine(stamp) return string.format('%.6f', stamp / 1000000) end
