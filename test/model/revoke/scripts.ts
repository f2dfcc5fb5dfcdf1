import { change, save } from './rows.js';
import {
  type Grant,
  type Held,
  isRevoked,
  type Message,
  type Redis,
  type Reply,
  type Row,
  type State,
  type Unit,
  type World,
} from './state.js';

/** What one remote call does, in one step. */
export function execute(world: World, state: State, message: Message): Reply {
  switch (message.op) {
    case 'save':
      return save(world, state, message.held);
    case 'change':
      return change(state, message.change);
    case 'confirm':
      return confirm(state.redis, message.held);
    case 'release':
      return release(state.redis, message.held);
    case 'reassign':
      return reassign(world, state, message.held);
    case 'adopt':
      return adopt(world, state, message.held, message.row);
    case 'announce':
      return announce(world, state.redis, message.version);
    case 'drop':
      return drop(world, state.redis, message.version);
    case 'takeBack':
      return takeBack(world, state, message.unit);
  }
}

export function nextStamp(state: State): number {
  const others = [state.redis, state.copy].flatMap((redis) => redis?.grants ?? []).map((grant) => grant?.stamp ?? 0);
  const held = [state.carrier, ...state.calls].map(({ held }) => held?.stamp ?? 0);
  const late = state.late.map((message) => ('held' in message ? message.held.stamp : 0));
  return Math.max(0, ...others, ...held, ...late, ...state.old.map((grant) => grant?.stamp ?? 0)) + 1;
}

/** The next unit, returned ones first; 0 if none is left. */
export function takeUnit({ config }: World, redis: Redis): number {
  const free = redis.free.shift();
  if (free !== undefined) return free;
  return redis.lastSerial < config.total + redis.replaced ? ++redis.lastSerial : 0;
}

/** The unit of a row leaves the place where it is. */
export function takeUnitOf({ config }: World, redis: Redis, serial: number): 'free' | 'beyond' | 'nobody' {
  const at = redis.free.indexOf(serial);
  if (at >= 0) redis.free.splice(at, 1);
  else if (serial <= redis.lastSerial || serial > config.total + redis.replaced) {
    redis.withdrawn--;
    return 'nobody';
  } else {
    for (let between = redis.lastSerial + 1; between < serial; between++) redis.free.push(between);
    redis.lastSerial = serial;
    return 'beyond';
  }
  return 'free';
}

/**
 * reserve.lua, and admit-line.lua for users in line. The freed ids, which reserve.lua and join-line.lua refuse, are left out: they
 * only take steps away, and the promises hold without them.
 */
export function reserve(world: World, state: State, call: number): Reply {
  const { redis } = state;
  const { user, id, way } = world.config.calls[call]!;
  if (redis.state !== 'up') return { word: 'not_ready' };
  const grant = redis.grants[user] ?? null;
  if (grant && grant.id !== id) return { word: 'already_issued' };
  if (grant?.state === 'x') return { word: 'revoked' };
  if (grant?.state === 'i' || (grant && way)) {
    return { word: grant.state === 'i' ? 'issued' : 'accepted', held: heldOf(redis, user, grant) };
  }
  const serial = grant?.serial ?? takeUnit(world, redis);
  if (serial === 0) return { word: 'sold_out' };
  const taken: Grant = { state: grant || way ? 't' : 'r', id, serial, stamp: nextStamp(state) };
  redis.grants[user] = taken;
  return { word: grant ? 'existing' : 'new', held: heldOf(redis, user, taken) };
}

export function heldOf({ epoch }: Redis, user: number, { id, serial, stamp }: Grant): Held {
  return { user, id, serial, stamp, epoch };
}

/** The record of a reservation, if it is still the one that is meant. */
function recordOf({ state, epoch, grants }: Redis, held: Held): Grant | null {
  const grant = grants[held.user];
  const isIt = state === 'up' && epoch === held.epoch && grant?.id === held.id && grant.stamp === held.stamp;
  return isIt && (grant.state === 'r' || grant.state === 't') ? grant : null;
}

function confirm(redis: Redis, held: Held): Reply {
  const grant = recordOf(redis, held);
  if (grant) redis.grants[held.user] = { ...grant, state: 'i', stamp: 0 };
  return { word: 'ok' };
}

function release(redis: Redis, held: Held): Reply {
  const grant = recordOf(redis, held);
  if (grant?.state !== 'r') return { word: 'gone' };
  redis.free.unshift(grant.serial);
  redis.grants[held.user] = null;
  return { word: 'released' };
}

/** The database refused the unit: it is withdrawn. */
function reassign(world: World, state: State, held: Held): Reply {
  const { redis } = state;
  const grant = recordOf(redis, held);
  if (!grant || grant.serial !== held.serial) return { word: 'gone' };
  redis.withdrawn++;
  const serial = takeUnit(world, redis);
  const next: Grant = { state: 't', id: held.id, serial, stamp: nextStamp(state) };
  redis.grants[held.user] = serial === 0 ? null : next;
  return serial === 0 ? { word: 'sold_out' } : { word: 'reassigned', held: heldOf(redis, held.user, next) };
}

/** A row in the place of a reservation, whose unit goes back. */
function adopt(world: World, state: State, held: Held, row: Row): Reply {
  const { config, rules } = world;
  const { redis } = state;
  const grant = recordOf(redis, held);
  if (!grant) return { word: 'gone' };
  const isSame = grant.serial === row.serial;
  const marks = isRevoked(row) && rules.adoptSeesRevoked;
  const frees = marks && row.grant === 0;
  const isDelivered = config.delivers && rules.adoptKeepsDelivered;
  if (isSame ? frees : isDelivered) redis.withdrawn++;
  if (!isSame && !isDelivered) redis.free.unshift(grant.serial);
  if (!isSame && !frees) takeUnitOf(world, redis, row.serial);
  redis.grants[held.user] = frees ? null : { state: marks ? 'x' : 'i', id: row.id, serial: row.serial, stamp: 0 };
  return { word: 'adopted' };
}

/** A reminder that the row of X may change from this version on. */
function announce({ rules }: World, redis: Redis, version: number): Reply {
  if (redis.state === 'gone') return { word: 'missing' };
  redis.announced = rules.announceNeverLowers ? Math.max(redis.announced, version) : version;
  return { word: 'ok' };
}

function drop({ rules }: World, redis: Redis, version: number): Reply {
  if (!rules.dropNamesVersion || redis.announced <= version) redis.announced = -1;
  return { word: 'ok' };
}

/** The row is proof for every attempt, so neither stamp nor epoch are named. */
export function takeBack({ rules }: World, state: State, { id, user, serial, frees, returns }: Unit): Reply {
  const { redis } = state;
  if (redis.state !== 'up') return { word: 'refused' };
  const grant = redis.grants[user];
  const names = grant?.id === id && (grant.serial === serial || !rules.takeBackNamesSerial);
  if (names && (rules.takesBackAnyState || grant.state === 'i' || grant.state === 'x')) {
    const wasMarked = grant.state === 'x' && rules.takesBackOnce;
    const newUnit = returns && rules.returnsNewUnit;
    if (returns && !wasMarked && !newUnit) redis.free.push(grant.serial);
    if (newUnit && !wasMarked) redis.replaced++;
    if (frees && (newUnit || !returns)) redis.withdrawn++;
    redis.grants[user] = frees ? null : { state: 'x', id, serial: grant.serial, stamp: 0 };
  }
  redis.announced = -1;
  return { word: 'ok' };
}
