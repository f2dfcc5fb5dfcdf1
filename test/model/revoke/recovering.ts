import type { Emit } from './issuing.js';
import { nextStamp, takeBack, takeUnit, takeUnitOf } from './scripts.js';
import {
  copyRedis,
  copyState,
  type Grant,
  isRevoked,
  type Redis,
  type Row,
  type State,
  unitOf,
  type World,
} from './state.js';

export function losing(world: World, state: State, emit: Emit): void {
  const { loses } = world.config;
  if (state.losses === 0 || state.redis.state !== 'up') return;
  if (loses === 'everything') {
    const next = lost(state);
    const { epoch } = state.redis;
    const grants = state.redis.grants.map(() => null);
    next.redis = { ...emptied(state.redis), state: 'gone', epoch, grants, announced: -1, line: [] };
    next.rebuilds++;
    emit(next, 'Redis loses everything');
    return;
  }
  if (!state.copy) {
    const next = copyState(state);
    next.copy = copyRedis(state.redis);
    emit(next, 'a copy of Redis is made');
    return;
  }
  const next = lost(state);
  next.redis = copyRedis(state.copy);
  next.copy = null;
  next.unannounced = true;
  emit(next, 'Redis goes back');
}

/** From here on callers are promised less. */
function lost(state: State): State {
  const next = copyState(state);
  next.losses--;
  next.sound = false;
  next.calls = next.calls.map((call) => (call.after === 'yes' ? { ...call, after: 'lax' } : call));
  return next;
}

function emptied(redis: Redis): Redis {
  return { ...redis, lastSerial: 0, replaced: 0, withdrawn: 0, free: [], grants: redis.grants.map(() => null) };
}

export function rebuilding(world: World, state: State, emit: Emit): void {
  const { redis, page } = state;
  const next = copyState(state);
  if (redis.state !== 'building') {
    if (state.rebuilds === 0) return;
    next.rebuilds--;
    beginRebuild(next);
    emit(next, 'a rebuild begins');
  } else if (!page) {
    next.page = next.rows.slice();
    emit(next, 'the rebuild reads the rows');
  } else {
    finishRebuild(world, next, page);
    emit(next, 'the rebuild ends');
  }
}

function beginRebuild(state: State): void {
  state.old = state.redis.state === 'up' ? state.redis.grants : state.old;
  state.redis = { ...emptied(state.redis), state: 'building', epoch: state.redis.epoch + 1 };
  state.page = null;
  // A rebuild forgets which units were withdrawn: serials that nobody has are free again.
  state.delivered = state.delivered.filter((unit) => state.old.some((grant) => grant?.serial === unit));
}

function finishRebuild(world: World, state: State, page: readonly Row[]): void {
  const { redis } = state;
  redis.state = 'up';
  const used = new Set<number>();
  for (const row of page) writeRow(world, redis, row, used);
  const losers = keepPromised(world, state, page, used);
  for (let serial = 1; serial <= redis.lastSerial; serial++) if (!used.has(serial)) redis.free.push(serial);
  for (const { grant, user } of losers) {
    const serial = takeUnit(world, redis);
    if (serial > 0) redis.grants[user] = { state: 't', id: grant.id, serial, stamp: nextStamp(state) };
  }
  redis.line = redis.line.filter((call) => !redis.grants[world.config.calls[call]!.user]);
  state.old = [];
  state.page = null;
  state.sound = state.rows.every(({ id, user, serial }) => {
    const grant = redis.grants[user];
    return page.some((row) => row.id === id) || (grant?.id === id && grant.serial === serial);
  });
}

function writeRow({ rules }: World, redis: Redis, row: Row, used: Set<number>): void {
  const { id, user, serial } = row;
  const revoked = isRevoked(row) && rules.rebuildMarks;
  if (revoked && row.life.unitReturned) redis.replaced++;
  redis.lastSerial = Math.max(redis.lastSerial, serial);
  if (revoked && row.grant === 0) {
    if (!rules.rebuildKeepsFreed) return;
    redis.withdrawn++;
  } else redis.grants[user] = { state: revoked ? 'x' : 'i', id, serial, stamp: 0 };
  used.add(serial);
}

/** Promises of before keep their units. Those without one come last. */
function keepPromised(
  { rules }: World,
  state: State,
  page: readonly Row[],
  used: Set<number>,
): { grant: Grant; user: number }[] {
  const { redis } = state;
  const losers: { grant: Grant; user: number }[] = [];
  state.old.forEach((grant, user) => {
    if (!grant || grant.state === 'x' || redis.grants[user]) return;
    const isSaved = page.some(({ id, serial }) => id === grant.id && serial === grant.serial);
    if (isSaved && rules.rebuildEndsOwn) return;
    if (used.has(grant.serial)) losers.push({ grant, user });
    else {
      used.add(grant.serial);
      redis.lastSerial = Math.max(redis.lastSerial, grant.serial);
      redis.grants[user] = { ...grant, state: 't', stamp: nextStamp(state) };
    }
  });
  return losers;
}

/** A whole rebuild, without faults. */
export function rebuildNow(world: World, state: State): void {
  beginRebuild(state);
  finishRebuild(world, state, state.rows);
}

/** reconcile with repairs, while nothing moves. */
export function reconcileNow(world: World, state: State): void {
  const { rules } = world;
  for (const row of state.rows) {
    if (isRevoked(row) && rules.reconcileTakesBack) takeBack(world, state, unitOf(row));
  }
  for (const row of state.rows) mend(world, state, row);
  const returned = state.rows.filter(({ life }) => life.unitReturned).length;
  if (state.redis.replaced !== returned && rules.reconcileCounts) rebuildNow(world, state);
}

/** mend-row.lua: a row that has no grant. */
function mend(world: World, state: State, row: Row): void {
  const { redis } = state;
  if (redis.grants[row.user] && row.grant > 0) return;
  const isFreed = row.grant === 0 && world.rules.reconcileSkipsFreed;
  if (isFreed) {
    const isElsewhere = row.serial <= redis.lastSerial && !redis.free.includes(row.serial);
    if (isElsewhere || takeUnitOf(world, redis, row.serial) === 'nobody') return;
    redis.withdrawn++;
    return;
  }
  takeUnitOf(world, redis, row.serial);
  redis.grants[row.user] = { state: isRevoked(row) ? 'x' : 'i', id: row.id, serial: row.serial, stamp: 0 };
}
