import { adminMessage } from './administration.js';
import { copyState } from './copy.js';
import { listAfter } from './database.js';
import { OVER } from './initial.js';
import { type Emit, send } from './send.js';
import type { Message, Operation, Reply, State } from './state.js';
import { serialOf } from './units.js';
import type { World } from './world.js';

/** What every rebuild may do next. */
export function rebuilds(world: World, state: State, emit: Emit): void {
  state.rebuilders.forEach((run, j) => {
    if (run.step === 'done') return;
    if (run.step === 'ready') {
      begin(world, state, j, emit);
      return;
    }
    const stopped = copyState(state);
    stopped.rebuilders[j] = OVER;
    emit(stopped, () => `rebuild${j} stops`);
    goOn(world, state, j, emit);
  });
}

function mayBegin({ config }: World, { lost, rebuilt, redis }: State): boolean {
  if (config.rebuildWhen === 'before a loss') return lost === 0;
  return config.rebuildWhen === 'any time' || (lost > 0 && !rebuilt) || redis.build !== null;
}

/** It names the epoch that it found, and what will tell its own from others. */
function begin(world: World, state: State, j: number, emit: Emit): void {
  if (!mayBegin(world, state)) return;
  const run = state.rebuilders[j]!;
  const n = run.at || state.makings + 1;
  const message: Message = { ...adminMessage('begin', state.redis.epoch, n), upTo: world.config.rebuilders[j]! };
  const sent = (next: State, to: Operation) => {
    next.makings = Math.max(next.makings, n);
    next.rebuilders[j] = to;
  };
  send(world, state, emit, {
    who: `rebuild${j}`,
    message,
    answered: (next, reply) => sent(next, reply?.word === 'stale_epoch' ? { ...run, at: n } : started(reply)),
    resend: (next) => sent(next, { ...run, at: n }),
  });
}

export function started(reply: Reply | null): Operation {
  if (reply?.word !== 'building') return OVER;
  const { phase, epoch, at, stamp } = reply;
  return { step: phase!, epoch: epoch!, at: at!, row: null, loaded: 0, fence: stamp! };
}

function goOn(world: World, state: State, j: number, emit: Emit): void {
  const run = state.rebuilders[j]!;
  const message = nextMessage(world, state, run);
  if (!message) {
    const next = copyState(state);
    next.rebuilders[j] = listed(next, run);
    emit(next, () => `rebuild${j} lists the rows after ${run.at}`);
    return;
  }
  send(world, state, emit, {
    who: `rebuild${j}`,
    message,
    answered: (next, reply) => {
      next.rebuilders[j] = afterReply(run, message, reply);
    },
    resend: () => {},
  });
}

/** Reads the next page of rows, which here is one row. */
export function listed(state: State, run: Operation): Operation {
  const row = listAfter(state, run.at);
  const { build, epoch } = state.redis;
  if (row && build && run.epoch === epoch) {
    state.redis.build = { ...build, listed: build.listed | (1 << serialOf(row.unit)) };
  }
  return { ...run, step: row ? 'page' : 'tail', row };
}

/** What a run sends next; null: first it reads rows. */
export function nextMessage({ config }: World, { redis }: State, run: Operation): Message | null {
  const { epoch, at, row, loaded, fence } = run;
  const codes = [...new Set(config.loads.flat())];
  switch (run.step) {
    case 'old':
      return { ...adminMessage('keep', epoch), fence };
    case 'rows':
      return null;
    case 'page':
      return { ...adminMessage('rows', epoch, at, { row }), fence, upTo: serialOf(row!.unit) };
    case 'tail': {
      // Beyond the last row there may be units that are only promised.
      const promised = Math.max(0, ...(redis.build?.kept ?? []));
      if (promised > at) return { ...adminMessage('rows', epoch, at), fence, upTo: promised };
    }
  }
  if (loaded < codes.length) return { ...adminMessage('refill', epoch, loaded, { unit: codes[loaded]! }), fence };
  return { ...adminMessage('finish', epoch), fence };
}

/** Whoever gets no answer stops, and so does one who was overtaken: another run goes on. */
export function afterReply(before: Operation, { op, upTo }: Message, reply: Reply | null): Operation {
  const run = { ...before, fence: Math.max(before.fence, reply?.stamp ?? 0) };
  switch (reply?.word) {
    case 'more':
      return run;
    case 'done':
      return op === 'finish' ? OVER : { ...run, step: 'rows' };
    case 'ok':
      if (op === 'refill') return { ...run, step: 'codes', loaded: run.loaded + 1 };
      if (reply.at !== upTo) return OVER;
      return { ...run, step: run.row ? 'rows' : 'codes', at: upTo!, row: null };
    default:
      return OVER;
  }
}
