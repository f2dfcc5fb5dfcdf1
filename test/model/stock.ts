import { rowsOf } from './soundness.js';
import type { Redis, State } from './state.js';
import { markOf, serialOf, type Unit, unitOf } from './units.js';
import type { World } from './world.js';

/** max(now, last + 1) */
export function nextStamp({ config }: World, state: State): number {
  return Math.max(config.clockStands ? 0 : state.lastStamp, state.redis.stamp) + 1;
}

export function useStamp(state: State, stamp: number): void {
  state.redis.stamp = Math.max(state.redis.stamp, stamp);
  state.lastStamp = Math.max(state.lastStamp, stamp);
}

/** The next unit, returned ones first; 0 if none is left. */
export function takeUnit({ config }: World, redis: Redis): number {
  const free = redis.free.shift();
  if (free !== undefined) return free;
  if (config.loads.length > 0 || redis.lastSerial >= redis.total) return 0;
  redis.lastSerial++;
  return unitOf(redis.lastSerial);
}

/** At the head of the stock. */
export function giveBack(redis: Redis, unit: number): void {
  redis.free.unshift(unit);
}

/** include/row-unit.lua: the unit of a row leaves the place where it is. If that is not found, one withdrawal less adds up. */
export function takeUnitOf({ config }: World, redis: Redis, unit: Unit): void {
  const serial = serialOf(unit);
  const fromPool = config.loads.length > 0;
  const at = config.far ? -1 : redis.free.indexOf(unit);
  if (at >= 0) redis.free.splice(at, 1);
  else if (config.far || serial <= redis.lastSerial || (!fromPool && serial > redis.total)) redis.withdrawn--;
  else {
    if (fromPool) redis.total++;
    else for (let between = redis.lastSerial + 1; between < serial; between++) redis.free.push(unitOf(between));
    redis.lastSerial = serial;
  }
}

/** A unit leaves the stock for good; if it has a row, it is not lost. */
export function withdrawUnit(state: State, unit: number): void {
  state.redis.withdrawn++;
  if (!rowsOf(state).some((row) => markOf(row.unit) === markOf(unit))) state.withdrawn |= 1 << markOf(unit);
}
