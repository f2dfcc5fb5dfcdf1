import { copyRedis, copyState } from './copy.js';
import { noRedis, OVER } from './initial.js';
import { rebuilds } from './rebuilding.js';
import { type Emit, send } from './send.js';
import { loosen, rowsOf } from './soundness.js';
import type { Item, Message, Op, Operation, State } from './state.js';
import type { Loss, World } from './world.js';

/** What happens around the calls: opening, loading, rebuilding, closing, pausing, and losses of Redis data. */
export function administration(world: World, state: State, emit: Emit): void {
  state.openers.forEach((_, j) => {
    openCampaign(world, state, j, emit);
  });
  state.loaders.forEach((_, j) => {
    loadCodes(world, state, j, emit);
  });
  rebuilds(world, state, emit);
  switches(world, state, emit);
  losses(world, state, emit);
}

export function adminMessage(op: Op, epoch: number, n = 0, change: Partial<Item> = {}): Message {
  const item = { slot: 0, id: 0, stamp: 0, unit: 0, delivered: false, row: null, ...change };
  return { op, process: 0, epoch, fence: 0, n, items: [item] };
}

function openCampaign(world: World, state: State, j: number, emit: Emit): void {
  const opener = state.openers[j]!;
  const who = `opener${j}`;
  const set = (next: State, change: Partial<Operation>) => {
    next.openers[j] = { ...next.openers[j]!, ...change };
  };
  if (opener.step === 'ready') {
    const n = opener.at || state.makings + 1;
    send(world, state, emit, {
      who,
      message: adminMessage('open', 0, n),
      answered: (next, reply) => {
        next.makings = Math.max(next.makings, n);
        const { present, verified, epoch } = next.redis;
        set(next, reply && present && !verified ? { step: 'look', epoch, at: 0 } : OVER);
      },
      resend: (next) => {
        next.makings = Math.max(next.makings, n);
        set(next, { at: n });
      },
    });
  } else if (opener.step === 'look') {
    const next = copyState(state);
    set(next, { step: rowsOf(state).length > 0 && world.rules.openLooks ? 'done' : 'act' });
    emit(next, () => `${who} asks the database for rows`);
  } else if (opener.step === 'act') {
    const message = adminMessage('activate', opener.epoch);
    send(world, state, emit, { who, message, answered: (next) => set(next, OVER), resend: () => {} });
  }
}

/** One code per chunk. A loader that got no answer goes on where it was: its load has a name. */
function loadCodes(world: World, state: State, j: number, emit: Emit): void {
  const loader = state.loaders[j]!;
  const { load } = world.config.loaders[j]!;
  const codes = world.config.loads[load]!;
  if (loader.step === 'done') return;
  const epoch = loader.epoch || state.redis.epoch;
  const item = { slot: load, unit: codes[loader.at]! };
  send(world, state, emit, {
    who: `loader${j}`,
    message: adminMessage('load', epoch, loader.at, item),
    answered: (next, reply) => {
      const at = loader.at + (reply?.word === 'ok' ? 1 : 0);
      const over = at === codes.length || (reply && reply.word !== 'ok' && reply.word !== 'stale_epoch');
      next.loaders[j] = { ...loader, at: over ? 0 : at, epoch: 0, step: over ? 'done' : 'ready' };
    },
    resend: (next) => {
      next.loaders[j] = { ...loader, epoch };
    },
  });
}

function switches({ config }: World, state: State, emit: Emit): void {
  if (!state.redis.present) return;
  if (config.closes && !state.redis.closed) {
    const next = copyState(state);
    next.redis.closed = true;
    emit(next, () => 'the campaign is closed');
  }
  if (state.pauses === 0) return;
  const next = copyState(state);
  next.pauses--;
  next.redis.paused = !state.redis.paused;
  emit(next, () => (next.redis.paused ? 'the campaign is paused' : 'the campaign is resumed'));
}

function losses(world: World, state: State, emit: Emit): void {
  const loss = world.config.losses[state.lost];
  if (!loss) return;
  if (loss === 'rollback' && !state.snapshot) {
    if (!state.redis.present) return;
    const next = copyState(state);
    next.snapshot = copyRedis(state.redis);
    emit(next, () => 'a copy of Redis is kept');
    return;
  }
  const next = copyState(state);
  next.redis = leftOver(world, next, loss);
  next.snapshot = null;
  next.lost++;
  next.rebuilt = false;
  loosen(next);
  if (world.config.restart)
    next.processes = next.processes.map(({ nextCall }) => ({ epoch: next.redis.epoch, fence: 0, nextCall }));
  emit(next, () =>
    loss === 'rollback' ? 'Redis is rolled back to its copy' : `Redis loses ${loss === 'empty' ? 'everything' : loss}`,
  );
}

function leftOver({ config }: World, { redis, snapshot }: State, loss: Loss): State['redis'] {
  const { grants, senders, free } = noRedis(config);
  switch (loss) {
    case 'rollback':
      return snapshot!;
    case 'empty':
      return noRedis(config);
    case 'grants':
      return { ...redis, grants, incomplete: redis.incomplete || redis.grants.some(Boolean) };
    case 'senders':
      return { ...redis, senders, incomplete: redis.incomplete || redis.senders.some(({ call }) => call > 0) };
    case 'free':
      return { ...redis, free, incomplete: redis.incomplete || redis.free.length > 0 };
  }
}
