import { isSound, rowsOf } from './soundness.js';
import type { Call, Redis, Row, State } from './state.js';
import { codeOf, serialOf } from './units.js';
import type { World } from './world.js';

const REFUSALS = ['sold_out', 'already_issued', 'not_ready', 'not_eligible', 'shut'];

/** What must hold in every state; answers the invariant that is broken and how, or null. */
export function broken(world: World, state: State): string | null {
  return state.broken ?? database(world, state) ?? promises(world, state) ?? conservation(world, state);
}

/** I1 and I2, whatever happened to Redis. */
function database({ config }: World, state: State): string | null {
  const rows = rowsOf(state);
  const units = config.loads.length > 0 ? new Set(config.loads.flat()).size : config.total;
  if (rows.length > units) return 'I1: more rows than units';
  for (let user = 0; user * config.perUser < state.redis.grants.length; user++) {
    const slots = rows.filter(({ slot }) => Math.floor(slot / config.perUser) === user).map(({ slot }) => slot);
    if (slots.length > config.perUser || new Set(slots).size < slots.length) return `I2: user${user} has too many rows`;
  }
  return null;
}

/** I5, I6 and I7: what callers were told, beside the rows. */
function promises({ config }: World, state: State): string | null {
  const sound = isSound(state);
  for (const [i, { id }] of config.calls.entries()) {
    const call = state.calls[i]!;
    if (call.told === 'nothing') continue;
    const row = state.rows.find((one) => one?.id === id) ?? null;
    if (call.told === 'issued' && row?.unit !== call.toldUnit) {
      return `${row ? 'I7' : 'I5'}: call${i} was told issued, its row is ${row ? 'of another unit' : 'absent'}`;
    }
    if (!sound || call.lax || !row) continue;
    const all = state.calls.filter((_, j) => config.calls[j]!.id === id);
    if (all.every(refusedFor) && all.some(({ told }) => told === 'not_issued')) {
      return `I5: call${i} was told NotIssuedError, yet its row is there`;
    }
    if (all.every(refusedFor)) return `I6: call${i} was refused (${call.told}), yet its row is there`;
    if (call.told === 'accepted' && call.toldUnit !== row.unit) return `I7: call${i} was accepted for another unit`;
  }
  return null;
}

const refusedFor = ({ told, lax }: Call) => !lax && (told === 'not_issued' || REFUSALS.includes(told));

/** I3: the units add up. In Redis every unit is in one hand, and each row has its grant, which is judged while Redis knows all it should. */
function conservation(world: World, state: State): string | null {
  const { redis } = state;
  if (!redis.present || !redis.verified || redis.build || redis.incomplete) return null;
  const units = [...redis.grants.flatMap((grant) => (grant ? [grant.unit] : [])), ...redis.free];
  const untaken = world.config.loads.length > 0 ? 0 : redis.total - redis.lastSerial;
  if (untaken + units.length + redis.withdrawn !== redis.total) {
    return `I3: ${untaken} + ${units.length} units and ${redis.withdrawn} withdrawn are not ${redis.total}`;
  }
  if (!isSound(state)) return null;
  const serials = new Set(units.map(serialOf));
  if (serials.size < units.length) return 'I3: a unit is in two hands';
  const codes = units.map(codeOf).filter((code) => code > 0);
  if (new Set(codes).size < codes.length) return 'I3: a code is in two hands';
  const orphan = rowsOf(state).find((row) => !hasGrant(redis, row));
  if (orphan) return `I3: the row of id${orphan.id} has no grant`;
  return issuedWithoutRow(world, state);
}

function hasGrant(redis: Redis, { slot, id, unit }: Row): boolean {
  const grant = redis.grants[slot];
  return grant?.id === id && grant.unit === unit;
}

function issuedWithoutRow(_world: World, state: State): string | null {
  for (const grant of state.redis.grants) {
    if (grant?.state !== 'i') continue;
    const row = state.rows[serialOf(grant.unit)];
    if (row?.id !== grant.id) return `I5: id${grant.id} is issued in Redis and has no row`;
  }
  return null;
}

/** Once everything is settled: who was told `accepted` has a row, unless an operator gave it up. */
export function kept({ config }: World, state: State): string | null {
  if (!isSound(state)) return null;
  for (const [i, { id }] of config.calls.entries()) {
    const call = state.calls[i]!;
    if (call.told !== 'accepted' || call.lax || state.abandoned & (1 << id)) continue;
    if (!state.rows.some((row) => row?.id === id && row.unit === call.toldUnit)) {
      return `I5: call${i} was told accepted, and there is no row of it`;
    }
  }
  return null;
}
