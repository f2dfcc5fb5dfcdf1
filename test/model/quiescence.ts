import { adminMessage } from './administration.js';
import { copyState } from './copy.js';
import { broken, kept } from './invariants.js';
import { afterReply, listed, nextMessage, started } from './rebuilding.js';
import { execute } from './scripts.js';
import { rowsOf } from './soundness.js';
import type { Item, Message, Op, Reply, State } from './state.js';
import { markOf } from './units.js';
import type { World } from './world.js';

const ITEM: Item = { slot: 0, id: 0, stamp: 0, unit: 0, delivered: false, row: null };

/** Nothing is under way: all answered, nobody acts. */
export function isQuiet(state: State): boolean {
  return (
    state.messages.length === 0 &&
    state.calls.every(({ step }) => step === 'done') &&
    state.workers.every(({ step }) => step === 'idle') &&
    state.operator.step === 'idle' &&
    [state.openers, state.loaders, state.rebuilders].flat().every(({ step }) => step === 'done' || step === 'ready')
  );
}

/**
 * I4: from here on nothing fails. What is missing is made again, everything is settled, and new users take what is left: each unit must have its row
 * in the end, but for those that were withdrawn for a reason.
 */
export function drained(world: World, quiet: State): string | null {
  const state = copyState(quiet);
  const redo = world.config.loads.length > 0 ? loadAll : () => {};
  restore(world, state);
  redo(world, state);
  for (let slot = 0; slot < state.redis.grants.length; slot++)
    run(world, state, 'retry', { slot, id: state.redis.grants[slot]?.id ?? 0 });
  const fault = settled(world, state) ?? broken(world, state) ?? kept(world, state);
  if (fault) return `${fault} (after settling)`;
  state.redis.closed = false;
  state.redis.paused = false;
  return takeTheRest(world, state);
}

function run(world: World, state: State, op: Op, item: Partial<Item>, n = 0): Reply {
  const { epoch, stamp } = state.redis;
  const message: Message = { op, process: 0, epoch, fence: stamp, n, items: [{ ...ITEM, ...item }] };
  return execute(world, state, message);
}

/** A campaign that does not serve is opened where it is new, and otherwise rebuilt. */
function restore(world: World, state: State): void {
  const { present, verified, incomplete, build } = state.redis;
  if (state.lost === 0 && !build && !verified) {
    if (!present) execute(world, state, adminMessage('open', 0, ++state.makings));
    if (rowsOf(state).length === 0) run(world, state, 'activate', {});
    return;
  }
  if (!present || !verified || incomplete) rebuild(world, state);
  // After a loss codes of a pool may come under serials that have rows of other codes by now; only one more rebuild puts that right.
  if (world.config.loads.length > 0 && state.lost > 0) rebuild(world, state);
}

function rebuild(world: World, state: State): void {
  const n = ++state.makings;
  let run = started(execute(world, state, adminMessage('begin', state.redis.epoch, n)));
  while (run.step !== 'done') {
    const message = nextMessage(world, state, run);
    run = message ? afterReply(run, message, execute(world, state, message)) : listed(state, run);
  }
}

function loadAll(world: World, state: State): void {
  state.redis.closed = false;
  world.config.loads.forEach((codes, load) => {
    for (let at = state.redis.loads[load]!; at < codes.length; at++)
      run(world, state, 'load', { slot: load, unit: codes[at]! }, at);
  });
}

/** One pass over all that is reserved. */
function settled(world: World, state: State): string | null {
  state.redis.grants.forEach((grant, slot) => {
    if (grant && grant.state !== 'i') settleOne(world, state, slot);
  });
  const left = state.redis.grants.find((grant) => grant && grant.state !== 'i');
  return left ? `I4: id${left.id} is still reserved after a pass of settle` : null;
}

function settleOne(world: World, state: State, slot: number): void {
  let held = run(world, state, 'claim', { slot }).items[0]?.grant;
  while (held) {
    const item = { slot, id: held.id, unit: held.unit, stamp: held.stamp, delivered: world.config.deliver };
    if (world.config.deliver) run(world, state, 'deliver', item);
    const { word, grant, slot: rowSlot } = run(world, state, 'save', item).items[0]!;
    const row = grant && { id: grant.id, unit: grant.unit, slot: rowSlot, epoch: 0 };
    if (word === 'saved') run(world, state, 'confirm', item);
    else if (word === 'user_conflict') run(world, state, 'adopt', { ...item, row });
    else if (world.config.deliver) run(world, state, 'withdraw', item);
    else {
      const next = run(world, state, 'reassign', item).items[0];
      held = next?.word === 'reassigned' ? next.grant : null;
      continue;
    }
    return;
  }
}

/** New users come until nothing is left. */
function takeTheRest(world: World, state: State): string | null {
  const { config } = world;
  const units = config.loads.length > 0 ? new Set(config.loads.flat()).size : config.total;
  const sender = state.redis.senders.length;
  state.redis.senders.push({ call: 0, stamp: 0 });
  for (let n = 1; n <= units + 2; n++) {
    const slot = state.redis.grants.length;
    state.redis.grants.push(...Array(config.perUser).fill(null));
    const item = { ...ITEM, slot, id: 8 + n };
    const { epoch } = state.redis;
    const { word, items } = execute(world, state, {
      op: 'reserve',
      process: sender,
      epoch,
      fence: 0,
      n,
      items: [item],
    });
    if (items[0]?.word === 'sold_out') break;
    if (items[0]?.word !== 'new')
      return `I4: a new user is told ${items[0]?.word ?? word} though nothing is wrong any more`;
    const fault = settled(world, state);
    if (fault) return `${fault} (while the rest is taken)`;
  }
  return broken(world, state) ?? missing(world, state, units);
}

function missing({ config }: World, state: State, units: number): string | null {
  const rows = rowsOf(state);
  const marks = config.loads.length > 0 ? new Set(config.loads.flat()) : Array.from({ length: units }, (_, i) => i + 1);
  for (const mark of marks) {
    if (state.withdrawn & (1 << mark) || rows.some(({ unit }) => markOf(unit) === mark)) continue;
    return `I4: unit ${mark} is lost`;
  }
  return null;
}
