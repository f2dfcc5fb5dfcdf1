import type { Call, Holder, Operation, Redis, State } from './state.js';
import { type Epoch, epochOf } from './units.js';
import type { Configuration } from './world.js';

export function noRedis(config: Configuration): Redis {
  return {
    present: false,
    verified: false,
    epoch: 0,
    stamp: 0,
    lastSerial: 0,
    total: config.total,
    withdrawn: 0,
    grants: Array(config.users * config.perUser).fill(null),
    senders: Array(config.processes).fill({ call: 0, stamp: 0 }),
    free: [],
    codes: 0,
    loads: config.loads.map(() => 0),
    closed: false,
    paused: false,
    incomplete: false,
    overRows: false,
    build: null,
  };
}

export function freshRedis(config: Configuration, epoch: Epoch): Redis {
  return { ...noRedis(config), present: true, verified: true, epoch };
}

const NOBODY: Holder = { step: 'idle', slot: 0, id: 0, unit: 0, stamp: 0, epoch: 0, delivered: false, row: null };
export const IDLE = NOBODY;
const READY: Operation = { step: 'ready', epoch: 0, at: 0, row: null, loaded: 0, fence: 0 };
export const OVER: Operation = { ...READY, step: 'done' };

const NEW_CALL: Call = {
  ...NOBODY,
  step: 'reserve',
  pending: null,
  mayRelease: false,
  doubt: false,
  round: 0,
  told: 'nothing',
  toldUnit: 0,
  lax: false,
};

/** Serials that a run can ever reach. */
const MAX_SERIAL = 10;

export function initialState(config: Configuration): State {
  const epoch = config.openers > 0 ? 0 : epochOf(1, 1);
  return {
    redis: epoch ? freshRedis(config, epoch) : noRedis(config),
    snapshot: null,
    rows: Array(MAX_SERIAL + 1).fill(null),
    messages: [],
    processes: Array.from({ length: config.processes }, () => ({ epoch, fence: 0, nextCall: 1 })),
    calls: config.calls.map(({ id }) => ({ ...NEW_CALL, id, step: epoch ? 'reserve' : 'find' })),
    workers: config.settlers.map(() => IDLE),
    operator: IDLE,
    openers: Array(config.openers).fill(READY),
    loaders: config.loaders.map(() => READY),
    rebuilders: config.rebuilders.map(() => READY),
    faults: config.faults,
    passes: config.passes,
    acts: config.acts,
    pauses: config.pauses,
    lost: 0,
    rebuilt: false,
    stray: false,
    shown: Array(MAX_SERIAL + 1).fill(0),
    withdrawn: 0,
    abandoned: 0,
    makings: 1,
    finished: 0,
    lastStamp: 0,
    broken: null,
  };
}
