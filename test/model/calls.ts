import { isSound } from './soundness.js';
import type { Call, Item, Message, Op, State, Told } from './state.js';
import { generationOf } from './units.js';
import type { World } from './world.js';

/** What a call is named in traces. */
export const nameOf = ({ config }: World, i: number): string => {
  const { id, user, process } = config.calls[i]!;
  return `call${i}(id${id} user${user} P${process})`;
};

export function change(state: State, i: number, by: Partial<Call>): void {
  state.calls[i] = { ...state.calls[i]!, ...by };
}

/** The first answer counts. */
export function tell(state: State, i: number, told: Told, unit = 0): void {
  const call = state.calls[i]!;
  if (call.told === 'nothing') change(state, i, { told, toldUnit: unit, lax: call.lax || !isSound(state) });
}

export const FORGOTTEN = { slot: 0, unit: 0, stamp: 0, epoch: 0, row: null, delivered: false, doubt: false } as const;

export function end(state: State, i: number): void {
  change(state, i, { step: 'done', pending: null, round: 0, mayRelease: false, ...FORGOTTEN });
}

export function conclude(state: State, i: number, told: Told, unit = 0): void {
  tell(state, i, told, told === 'issued' || told === 'accepted' ? unit : 0);
  end(state, i);
}

/** It stays reserved, and settle rolls it forward. */
export function leaveToSettle(state: State, i: number): void {
  conclude(state, i, 'accepted', state.calls[i]!.unit);
}

export function itemOf({ id, stamp, unit, delivered, row }: Call, slot: number): Item {
  return { slot, id, stamp, unit, delivered, row };
}

export function messageOf(world: World, state: State, i: number, op: Op): Message {
  const call = state.calls[i]!;
  const { process } = world.config.calls[i]!;
  return { op, process, epoch: call.epoch, fence: 0, n: 0, items: [itemOf(call, call.slot)] };
}

/**
 * Follows the epoch in Redis, or says why not. State that does not serve yet is not followed: a reserve that names its epoch would be refused now,
 * and a copy of it served later.
 */
export function refresh({ rules }: World, state: State, process: number): 'missing' | 'rolled_back' | null {
  const { redis } = state;
  const known = state.processes[process]!;
  if (!redis.present || (!redis.verified && rules.unverifiedIsUnknown)) return 'missing';
  if (known.epoch && generationOf(redis.epoch) < generationOf(known.epoch) && rules.neverALowerGeneration) {
    return 'rolled_back';
  }
  if (redis.epoch !== known.epoch) state.processes[process] = { ...known, epoch: redis.epoch, fence: 0 };
  return null;
}

/** The highest stamp it saw is the fence of a process. */
export function sawStamp(state: State, process: number, epoch: number, stamp: number): void {
  const known = state.processes[process]!;
  if (known.epoch === epoch && stamp > known.fence) state.processes[process] = { ...known, fence: stamp };
}
