import { settleAll } from './issuing.js';
import { rebuildNow, reconcileNow } from './recovering.js';
import { workOnce } from './revoking.js';
import { copyState, isRevoked, type Row, type State, type World } from './state.js';

/** What must hold in every state; answers the promise that is broken and how, or null. */
export function broken(world: World, state: State): string | null {
  return state.broken ?? rows(world, state) ?? units(world, state) ?? (isQuiet(state) ? rest(world, state) : null);
}

const isReturned = ({ life }: Row) => life.unitReturned;

function rows({ config }: World, state: State): string | null {
  const standing = state.rows.filter((row) => !isReturned(row)).length;
  if (standing > config.total) return `L7: ${standing} rows stand on ${config.total} units`;
  const ids = new Set(state.rows.map(({ id }) => id));
  if (ids.size < state.rows.length) return 'L8: an id has two rows';
  const holders = state.rows.filter(({ grant }) => grant > 0).map(({ user }) => user);
  if (new Set(holders).size < holders.length) return 'L8: a user has two grants';
  return null;
}

function units({ config }: World, { redis, rows: all, delivered }: State): string | null {
  if (redis.state !== 'up') return null;
  const taken = redis.lastSerial - redis.free.length;
  const held = redis.grants.filter((grant) => grant !== null).length;
  if (taken !== held + redis.withdrawn)
    return `I3: ${taken} units are taken, ${held} held and ${redis.withdrawn} withdrawn`;
  if (new Set(redis.free).size < redis.free.length) return 'I3: a unit is in the stock twice';
  if (redis.lastSerial > config.total + redis.replaced) return 'I3: a serial is beyond the units';
  const returned = all.filter(isReturned).length;
  if (redis.replaced > returned) return `L7: ${redis.replaced} units came back for ${returned} rows`;
  const known = delivered.find((serial) => serial > redis.lastSerial || redis.free.includes(serial));
  return known ? `I10: unit ${known} was delivered, and is in the stock` : null;
}

/** Nobody acts. What is under way may never arrive. */
function isQuiet({ calls, carrier, revokers, worker }: State): boolean {
  const isDone = ({ step }: { step: string }) => step === 'done';
  return calls.every(isDone) && revokers.every(isDone) && carrier.held === null && worker.step === 'idle';
}

/** From here on nothing fails: what is missing is made again, everything is settled, and the worker makes one round. */
function rest(world: World, quiet: State): string | null {
  const state = copyState(quiet);
  if (state.redis.state !== 'up') rebuildNow(world, state);
  settleAll(world, state);
  workOnce(world, state);
  const needsReconcile = !state.sound || state.unannounced;
  if (needsReconcile) {
    reconcileNow(world, state);
    settleAll(world, state);
  }
  const fault = state.broken ?? units(world, state) ?? mirrored(state) ?? counted(world, state);
  return fault && `${fault} (at rest)`;
}

/** Redis says of each row what the row says. */
function mirrored({ redis, rows: all }: State): string | null {
  for (const row of all) {
    const grant = redis.grants[row.user];
    if (row.grant === 0) {
      if (grant?.id === row.id) return 'L6: a freed grant is there';
    } else if (grant?.id !== row.id || grant.serial !== row.serial) return `I4: the row of ${row.id} has no grant`;
    else if ((grant.state === 'x') !== isRevoked(row))
      return 'L6: a revoked row has no mark, or the mark no revoked row';
  }
  const reserved = redis.grants.find((grant) => grant && !all.some(({ id }) => id === grant.id));
  return reserved ? `I4: ${reserved.id} is neither saved nor free` : null;
}

function counted({ config }: World, { redis, rows: all, delivered }: State): string | null {
  const returned = all.filter(isReturned).length;
  if (redis.replaced !== returned) return `L7: ${redis.replaced} units came back for ${returned} rows`;
  for (let serial = 1; serial <= redis.lastSerial; serial++) {
    const isSomewhere =
      redis.free.includes(serial) || delivered.includes(serial) || all.some((row) => row.serial === serial);
    if (!isSomewhere) return `L7: unit ${serial} is lost`;
  }
  const left = config.total + redis.replaced - redis.lastSerial + redis.free.length;
  const due = config.total + returned - all.length;
  return delivered.length === 0 && left !== due ? `L7: ${left} units can be had, and ${due} should be` : null;
}
