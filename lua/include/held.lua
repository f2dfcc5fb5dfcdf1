-- For scripts that act on a reservation of their caller. Each names field, id and stamp, and acts only on an exact
-- match: the stamp is the fence that keeps a late or repeated call from undoing the promise to a later one.
-- `taken_over`: the new owner never gives it back. `retaken`: it was given back, and another call took a unit anew,
-- which it may give back.
--- @include "include/named"
local function lookAt(record, id, stamp)
  if not record or record.id ~= id then return 'gone' end
  if record.state == 'i' then return 'issued' end
  if record.stamp ~= stamp then return record.state == 't' and 'taken_over' or 'retaken' end
  return 'held'
end
