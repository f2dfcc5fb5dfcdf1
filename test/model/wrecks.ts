import { copyState } from './copy.js';
import type { Emit } from './send.js';
import type { Grant, Row, State } from './state.js';
import { epochOf, unitOf } from './units.js';
import type { World } from './world.js';

/**
 * Whatever losses and late saves may leave behind for a rebuild: any rows in the database beside any grants in Redis, one slot per user. An id of a
 * row is its slot + 1; a grant may be of that id or of another one, on any unit, even on one that stands elsewhere too.
 */
export function wrecks({ config }: World, state: State, emit: Emit): void {
  if (!config.wrecks || state.lost > 0) return;
  for (const rows of allRows(config.total, config.users)) {
    for (const grants of allGrants(config.total, config.users)) {
      const next = copyState(state);
      next.lost = 1;
      for (const row of rows) next.rows[row.unit >> 4] = row;
      next.redis.verified = false;
      next.redis.grants = grants;
      next.redis.lastSerial = config.total;
      emit(next, () => `Redis has ${JSON.stringify(grants)}, the database ${JSON.stringify(rows)}`);
    }
  }
}

/** Each serial has the row of a user who has none yet, or of nobody. */
function allRows(total: number, users: number, from = 1): Row[][] {
  if (from > total) return [[]];
  return allRows(total, users, from + 1).flatMap((rest) => {
    const free = [...Array(users).keys()].filter((slot) => !rest.some((row) => row.slot === slot));
    return [rest, ...free.map((slot) => [{ id: slot + 1, slot, unit: unitOf(from), epoch: epochOf(1, 1) }, ...rest])];
  });
}

function allGrants(total: number, users: number, slot = 0): (Grant | null)[][] {
  if (slot === users) return [[]];
  const here: (Grant | null)[] = [null];
  for (const id of [slot + 1, slot + 1 + users]) {
    for (let serial = 1; serial <= total; serial++) {
      here.push({ state: 't', id, unit: unitOf(serial), stamp: 1, quarantined: false });
    }
  }
  return allGrants(total, users, slot + 1).flatMap((rest) => here.map((grant) => [grant, ...rest]));
}
