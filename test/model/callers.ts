import { change, conclude, itemOf, nameOf, refresh, sawStamp, tell } from './calls.js';
import { deliver, finishStep, save } from './carrying.js';
import { copyState } from './copy.js';
import { show } from './database.js';
import { type Emit, send } from './send.js';
import { isSound } from './soundness.js';
import type { Call, Message, Reply, State, Told } from './state.js';
import type { World } from './world.js';

/** What every issue() may do next. */
export function callers(world: World, state: State, emit: Emit): void {
  for (let i = 0; i < state.calls.length; i++) {
    const call = state.calls[i]!;
    if (call.step === 'done' || waits(world, state, i)) continue;
    leave(world, state, i, emit);
    if (call.step === 'find' || call.step === 'refresh') find(world, state, i, emit);
    else if (call.step === 'reserve') reserve(world, state, i, emit);
    else if (call.step === 'deliver') deliver(world, state, i, emit);
    else if (call.step === 'save') save(world, state, i, emit);
    else finishStep(world, state, i, emit);
  }
}

function waits({ config }: World, state: State, i: number): boolean {
  const { after } = config.calls[i]!;
  return after !== undefined && state.calls[after]!.told === 'nothing';
}

/** A process may die at any time; and a caller may stop waiting, who is told `accepted` if something is reserved for them. */
function leave(world: World, state: State, i: number, emit: Emit): void {
  if (state.faults === 0) return;
  const call = state.calls[i]!;
  const dead = copyState(state);
  dead.faults--;
  conclude(dead, i, 'unknown');
  emit(dead, () => `${nameOf(world, i)} dies`);
  if (!world.config.impatient || call.told !== 'nothing') return;
  if (call.step !== 'deliver' && call.step !== 'save' && call.step !== 'reassign') return;
  const left = copyState(state);
  left.faults--;
  tell(left, i, 'accepted', call.unit);
  emit(left, () => `${nameOf(world, i)} is told accepted, its time ran out`);
}

/** The first call of a process for a campaign reads it, and so does one that was told of another epoch. */
function find(world: World, state: State, i: number, emit: Emit): void {
  const next = copyState(state);
  const { process } = world.config.calls[i]!;
  const { step } = state.calls[i]!;
  const known = next.processes[process]!.epoch > 0 && step === 'find';
  if (!known && refresh(world, next, process)) conclude(next, i, notReady(next, step === 'refresh'));
  else change(next, i, { step: 'reserve' });
  emit(next, () => `${nameOf(world, i)} reads the campaign`);
}

/** Alone, or in one batch with another call of the process; or once more as it was. */
function reserve(world: World, state: State, i: number, emit: Emit): void {
  const call = state.calls[i]!;
  const { process } = world.config.calls[i]!;
  if (call.pending) {
    const batch = state.calls.flatMap((other, at) => (other.pending === call.pending ? [at] : []));
    if (batch[0] === i) sendReserve(world, state, batch, call.pending, emit);
    return;
  }
  sendReserve(world, state, [i], null, emit);
  if (!world.config.batches) return;
  for (let j = i + 1; j < state.calls.length; j++) {
    const other = state.calls[j]!;
    if (other.step !== 'reserve' || other.pending || world.config.calls[j]!.process !== process) continue;
    if (other.id !== call.id && !waits(world, state, j)) sendReserve(world, state, [i, j], null, emit);
  }
}

function sendReserve(world: World, state: State, batch: number[], pending: Message | null, emit: Emit): void {
  const { process } = world.config.calls[batch[0]!]!;
  const { epoch, fence, nextCall } = state.processes[process]!;
  const items = batch.map((i) => itemOf(state.calls[i]!, world.config.calls[i]!.user * world.config.perUser));
  const message = pending ?? { op: 'reserve', process, epoch, fence, n: nextCall, items };
  const sent = (next: State, by: Partial<Call>) => {
    if (!pending) next.processes[process] = { ...next.processes[process]!, nextCall: nextCall + 1 };
    for (const i of batch) change(next, i, by);
  };
  send(world, state, emit, {
    who: batch.map((i) => nameOf(world, i)).join(' and '),
    message,
    answered: (next, reply) => {
      sent(next, { pending: null });
      reserved(world, next, batch, message, reply);
    },
    ...(pending ? {} : { resend: (next: State) => sent(next, { pending: message }) }),
  });
}

function reserved(world: World, state: State, batch: number[], message: Message, reply: Reply | null): void {
  if (reply?.word === 'stale_epoch') {
    for (const i of batch) change(state, i, { step: 'refresh' });
    return;
  }
  if (reply?.word === 'ok') sawStamp(state, message.process, message.epoch, state.redis.stamp);
  for (const i of batch) {
    // One that was in the batch may have died since.
    const at = message.items.findIndex(({ id }) => id === state.calls[i]!.id);
    if (!reply) conclude(state, i, 'unknown');
    else if (reply.word === 'rebuilding' && held(reply, state.calls[i]!.id)) {
      const { word, grant } = held(reply, state.calls[i]!.id)!;
      conclude(state, i, word as Told, grant!.unit);
    } else if (reply.word !== 'ok') conclude(state, i, notReady(state, message.epoch !== state.redis.epoch));
    else hold(world, state, i, message.epoch, reply.items[at]!);
  }
}

const held = ({ items }: Reply, id: number) => items.find(({ grant }) => grant?.id === id);

/** During a rebuild `not_ready` proves nothing: an earlier copy of the call may have taken what the rebuild keeps. */
function notReady({ redis }: State, sentUnderAnother: boolean): Told {
  return redis.build && sentUnderAnother ? 'unknown' : 'not_ready';
}

function hold(world: World, state: State, i: number, epoch: number, answer: Reply['items'][number]): void {
  const { config, rules } = world;
  const { word, slot, grant } = answer;
  if (word === 'lapsed') return;
  if (word === 'issued') show(world, state, grant!.unit, slot);
  if (word !== 'new' && word !== 'existing' && word !== 'unattended') {
    conclude(state, i, word as Told, grant?.unit);
    return;
  }
  const { unit, stamp } = grant!;
  // What is reserved while Redis does not know all it should may turn out to be somebody else's.
  if (!isSound(state)) change(state, i, { lax: true });
  if (config.writeBehind || word === 'unattended') {
    conclude(state, i, 'accepted', unit);
    return;
  }
  const mayRelease = word === 'new' || !rules.onlyNewMayRelease;
  change(state, i, { step: config.deliver ? 'deliver' : 'save', slot, unit, stamp, epoch, mayRelease, doubt: false });
}
