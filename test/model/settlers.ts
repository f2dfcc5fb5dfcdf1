import { refresh, sawStamp } from './calls.js';
import { copyState } from './copy.js';
import { show } from './database.js';
import { IDLE } from './initial.js';
import { certainFailure, type Emit, send } from './send.js';
import type { Holder, Item, Message, Op, Reply, State } from './state.js';
import type { World } from './world.js';

type Answer = Reply['items'][number];

/** What settle, and the operator of the quarantine, may do next. */
export function settlers(world: World, state: State, emit: Emit): void {
  state.workers.forEach((worker, j) => {
    if (worker.step === 'idle') {
      claimAny(world, state, j, emit);
      return;
    }
    const stopped = copyState(state);
    stopped.workers[j] = IDLE;
    emit(stopped, () => `settler${j} stops`);
    carry(world, state, j, emit);
  });
  operate(world, state, emit);
}

const itemOf = ({ slot, id, stamp, unit, delivered, row }: Holder): Item => ({ slot, id, stamp, unit, delivered, row });

/** Leases run out at any time: any reservation may be due. */
function claimAny(world: World, state: State, j: number, emit: Emit): void {
  if (state.passes === 0) return;
  const process = world.config.settlers[j]!;
  const { epoch, fence } = state.processes[process]!;
  if (state.redis.present && epoch !== state.redis.epoch) {
    const next = copyState(state);
    if (!refresh(world, next, process)) emit(next, () => `settler${j} reads the campaign`);
    return;
  }
  state.redis.grants.forEach((grant, slot) => {
    if (!grant || grant.state === 'i' || grant.quarantined) return;
    const item = { ...itemOf(IDLE), slot };
    const message: Message = { op: 'claim', process, epoch, fence, n: 0, items: [item] };
    send(world, state, emit, {
      who: `settler${j}`,
      message,
      answered: (next, reply) => {
        next.passes--;
        if (reply?.word === 'ok') sawStamp(next, process, epoch, next.redis.stamp);
        const claimed = reply?.items[0]?.grant;
        if (!claimed) return;
        const { id, unit, stamp } = claimed;
        const step = world.config.deliver ? 'deliver' : 'save';
        next.workers[j] = { step, slot, id, unit, stamp, epoch, delivered: false, row: null };
      },
    });
  });
}

function carry(world: World, state: State, j: number, emit: Emit): void {
  const worker = state.workers[j]!;
  const { step, epoch } = worker;
  const who = `settler${j}`;
  const op = step as Op;
  const message: Message = { op, process: world.config.settlers[j]!, epoch, fence: 0, n: 0, items: [itemOf(worker)] };
  const set = (next: State, change: Partial<Holder>) => {
    next.workers[j] = { ...next.workers[j]!, ...change };
  };
  const remote = step !== 'deliver' && step !== 'save';
  send(world, state, emit, {
    who,
    message,
    answered: (next, reply) => {
      if (step === 'deliver')
        set(next, reply ? { step: 'save', delivered: true } : failed(world, next, worker.id, true));
      else if (step === 'save')
        set(next, reply ? verdict(world, next, worker, reply.items[0]!) : failed(world, next, worker.id, true));
      else if (step === 'reassign') set(next, reassigned(world, reply?.items[0]));
      else next.workers[j] = IDLE;
    },
    ...(remote ? { resend: () => {} } : {}),
  });
  if (remote) return;
  certainFailure(state, emit, `${who} ${step} → refused for certain`, (next) =>
    set(next, failed(world, next, worker.id, false)),
  );
}

/** It stays reserved for a later pass, or goes into quarantine. */
function failed({ config, rules }: World, state: State, id: number, unknown: boolean): Partial<Holder> {
  if (!rules.settleNeverReleases && !unknown) return { step: 'release' };
  // What is stored is not refused.
  const refused = unknown || !state.rows.some((row) => row?.id === id);
  return config.quarantine && refused ? { step: 'quarantine' } : IDLE;
}

function verdict(world: World, state: State, worker: Holder, { word, grant, slot }: Answer): Partial<Holder> {
  switch (word) {
    case 'saved':
      show(world, state, worker.unit, worker.slot);
      return { step: 'confirm' };
    case 'user_conflict':
      return { step: 'adopt', row: { id: grant!.id, unit: grant!.unit, slot, epoch: 0 } };
    default:
      return { step: worker.delivered ? 'withdraw' : 'reassign' };
  }
}

function reassigned({ config }: World, item: Answer | undefined): Partial<Holder> {
  if (item?.word !== 'reassigned') return IDLE;
  const { unit, stamp } = item.grant!;
  return { step: config.deliver ? 'deliver' : 'save', unit, stamp };
}

/** Operators retry what is in quarantine, or withdraw it by the stamp under which they listed it. */
function operate(world: World, state: State, emit: Emit): void {
  const { operator, redis } = state;
  if (operator.step === 'withdraw') withdraw(world, state, emit);
  if (state.acts === 0 || !redis.present) return;
  redis.grants.forEach((grant, slot) => {
    if (!grant?.quarantined) return;
    const { id, unit, stamp } = grant;
    const listed: Holder = { ...IDLE, step: 'withdraw', slot, id, unit, stamp, epoch: redis.epoch };
    if (operator.step === 'idle') {
      const next = copyState(state);
      next.acts--;
      next.operator = listed;
      emit(next, () => `an operator lists id${id} to withdraw it`);
    }
    const answered = (next: State) => {
      next.acts--;
    };
    const message: Message = { op: 'retry', process: 0, epoch: redis.epoch, fence: 0, n: 0, items: [itemOf(listed)] };
    send(world, state, emit, { who: 'an operator', message, answered });
  });
}

function withdraw(world: World, state: State, emit: Emit): void {
  const { operator } = state;
  const message: Message = {
    op: 'withdraw',
    process: 0,
    epoch: operator.epoch,
    fence: 0,
    n: 0,
    items: [itemOf(operator)],
  };
  send(world, state, emit, {
    who: 'an operator',
    message,
    answered: (next) => {
      next.operator = IDLE;
    },
    resend: () => {},
  });
}
