import type { Configuration, PlannedCall } from './world.js';

const call = (id: number, user: number, process: number, after?: number): PlannedCall =>
  after === undefined ? { id, user, process } : { id, user, process, after };

/** Two users in two processes, one unit. */
const two: Configuration = {
  users: 2,
  perUser: 1,
  processes: 2,
  calls: [call(1, 0, 0), call(2, 1, 1)],
  total: 1,
  loads: [],
  loaders: [],
  writeBehind: false,
  deliver: false,
  batches: false,
  faults: 2,
  passes: 2,
  settlers: [0],
  copies: 2,
  losses: [],
  restart: false,
  openers: 0,
  rebuilders: [],
  rebuildWhen: 'lost',
  wrecks: false,
  closes: false,
  pauses: 0,
  impatient: false,
  refuses: false,
  quarantine: false,
  acts: 0,
  certain: false,
  clockStands: false,
  strictDelivery: false,
  far: false,
  saveAttempts: 2,
};

/** One request id, sent by two processes. */
const repeat: Configuration = { ...two, calls: [call(1, 0, 0), call(1, 0, 1)] };
const repeatBeside: Configuration = { ...two, calls: [call(1, 0, 0), call(1, 0, 1), call(2, 1, 1)], passes: 1 };
const alone: Configuration = { ...two, calls: [call(1, 0, 0)], passes: 1 };
const rollback: Configuration = { ...two, losses: ['rollback'], faults: 1 };
const pool: Configuration = {
  ...two,
  total: 0,
  passes: 1,
  faults: 0,
  loads: [[1, 2]],
  loaders: [{ load: 0, process: 0 }],
};
const twoGrants: Configuration = { ...two, perUser: 2, users: 1, total: 2, passes: 1 };
const rebuilt: Configuration = { ...two, rebuilders: [1], passes: 1 };
const wrecks: Configuration = { ...two, calls: [], settlers: [], total: 3, wrecks: true, rebuilders: [1], faults: 0 };

/** Explored to the end in every run of the tests. */
export const CONFIGURATIONS = {
  // What happens every day.
  'two users and one unit': { ...two, faults: 3 },
  'one request id in two processes': { ...repeat, faults: 3 },
  'one request id in two processes beside another user': repeatBeside,
  'a request id again after the answer': {
    ...two,
    calls: [call(1, 0, 0), call(1, 0, 0, 0), call(2, 1, 0)],
    processes: 1,
    passes: 1,
  },
  'callers who stop waiting': { ...repeat, impatient: true, passes: 1, faults: 3 },
  'two grants for a user': { ...twoGrants, calls: [call(1, 0, 0), call(2, 0, 1), call(3, 0, 0)], faults: 1 },
  'batches of two': {
    ...two,
    batches: true,
    total: 2,
    calls: [call(1, 0, 0), call(2, 1, 0), call(1, 0, 1)],
    passes: 0,
  },
  'a campaign that closes': { ...two, closes: true, passes: 1 },
  'a campaign that pauses': { ...two, pauses: 2, passes: 1 },
  'a pause before a repeat': { ...repeat, pauses: 2, faults: 3, saveAttempts: 1, passes: 0 },
  deliveries: { ...two, deliver: true },
  'deliveries of one request id': { ...repeatBeside, deliver: true, faults: 1 },
  'write-behind': { ...two, writeBehind: true, faults: 3 },
  'a quarantine': { ...two, writeBehind: true, quarantine: true, acts: 2 },
  'a quarantine of what is refused for certain': {
    ...alone,
    passes: 2,
    writeBehind: true,
    quarantine: true,
    acts: 2,
    certain: true,
    faults: 1,
  },
  'rows that the database refuses': { ...repeat, refuses: true, passes: 1 },
  'rows that the database refuses, and callers who stop waiting': {
    ...alone,
    refuses: true,
    impatient: true,
    faults: 3,
  },
  'rows that the database refuses after a delivery': { ...two, deliver: true, refuses: true, passes: 1 },
  'a quarantine and a repeat': { ...repeat, quarantine: true, acts: 1, passes: 1 },
  'two openings at once': { ...two, openers: 2, passes: 0 },
  'loads of a pool': {
    ...pool,
    loads: [[1, 2], [2]],
    loaders: [
      { load: 0, process: 0 },
      { load: 0, process: 1 },
      { load: 1, process: 1 },
    ],
    passes: 0,
    faults: 1,
  },
  // Redis loses what it knew.
  'a rollback': rollback,
  'a rollback of a clock that stands': { ...rollback, clockStands: true, passes: 1 },
  'a rollback among three users': {
    ...rollback,
    users: 3,
    total: 3,
    calls: [call(1, 0, 0), call(2, 1, 1), call(3, 2, 1)],
    restart: true,
    passes: 0,
  },
  'a rollback and a repeat': { ...repeatBeside, total: 2, losses: ['rollback'], restart: true, faults: 0 },
  'a rollback so far back that units are not taken from their places': {
    ...repeatBeside,
    total: 2,
    losses: ['rollback'],
    restart: true,
    far: true,
    faults: 0,
  },
  'a rollback that every process saw': {
    ...rollback,
    users: 3,
    processes: 1,
    calls: [call(1, 0, 0), call(2, 1, 0), call(3, 2, 0)],
    copies: 0,
    passes: 1,
    deliver: true,
    strictDelivery: true,
  },
  'a rollback over a rebuild': {
    ...rollback,
    processes: 1,
    calls: [call(1, 0, 0), call(2, 1, 0)],
    rebuilders: [1],
    rebuildWhen: 'before a loss',
    deliver: true,
    strictDelivery: true,
    faults: 0,
    copies: 0,
    passes: 0,
  },
  'a key that vanishes': { ...rebuilt, losses: ['grants'], faults: 1 },
  'an opening after a loss': { ...alone, openers: 2, losses: ['empty'] },
  // It is made again.
  'a rebuild after everything was lost': { ...rebuilt, losses: ['empty'] },
  'a rebuild after a rollback': { ...rebuilt, total: 2, losses: ['rollback'], restart: true, faults: 0 },
  'a rebuild after a rollback with two grants': {
    ...twoGrants,
    calls: [call(1, 0, 0), call(2, 0, 1), call(1, 0, 1, 0)],
    losses: ['rollback'],
    rebuilders: [1],
    restart: true,
    faults: 0,
    passes: 0,
  },
  'a rebuild after a rollback with deliveries': { ...rebuilt, deliver: true, losses: ['rollback'], faults: 0 },
  'a rebuild at any time': { ...rebuilt, rebuildWhen: 'any time' },
  'a rebuild at any time beside one call': { ...alone, rebuilders: [1], rebuildWhen: 'any time' },
  'a rebuild under a clock that stands': {
    ...rebuilt,
    calls: repeat.calls,
    clockStands: true,
    losses: ['empty'],
    faults: 1,
  },
  'a rebuild of a pool': { ...pool, losses: ['empty'], rebuilders: [1] },
  'a rebuild of a pool after a rollback': {
    ...pool,
    loaders: [
      { load: 0, process: 0 },
      { load: 0, process: 1 },
    ],
    losses: ['rollback'],
    rebuilders: [1],
    passes: 0,
  },
  'a rebuild beside an opening': {
    ...alone,
    openers: 1,
    writeBehind: true,
    rebuilders: [1],
    rebuildWhen: 'any time',
    faults: 0,
    passes: 0,
  },
  'rebuilds with two definitions': {
    ...alone,
    writeBehind: true,
    rebuilders: [1, 2],
    rebuildWhen: 'any time',
    faults: 1,
  },
  'two rebuilds at once': { ...rebuilt, rebuilders: [1, 1], rebuildWhen: 'any time', faults: 0 },
  'a rollback, then a loss of everything': { ...rebuilt, losses: ['rollback', 'empty'], rebuilders: [1, 1], faults: 0 },
  'write-behind, a rollback, then a loss of everything': {
    ...two,
    writeBehind: true,
    losses: ['rollback', 'empty'],
    rebuilders: [1, 1],
    faults: 0,
  },
  'a rebuild of every wreck': { ...wrecks, users: 3 },
  'a rebuild of every small wreck with a fault': { ...wrecks, users: 1, total: 2, rebuilders: [1, 1], faults: 1 },
} satisfies Record<string, Configuration>;

export type Name = keyof typeof CONFIGURATIONS;

const c: Record<Name, Configuration> = CONFIGURATIONS;

/** The same and more with larger bounds. */
export const SOAK: Record<string, Configuration> = {
  'two users and one unit': { ...two, faults: 4 },
  'one request id in two processes': { ...repeat, faults: 4, passes: 1 },
  'one request id in two processes beside another user': { ...repeatBeside, passes: 2 },
  'two grants for a user': { ...c['two grants for a user'], faults: 2 },
  'batches of two': { ...c['batches of two'], passes: 1 },
  deliveries: { ...two, deliver: true, faults: 3 },
  'two openings at once': { ...two, openers: 2, passes: 1 },
  'loads of a pool': { ...c['loads of a pool'], passes: 1 },
  'a rollback': { ...rollback, faults: 2 },
  'a rollback and a repeat': { ...c['a rollback and a repeat'], faults: 1 },
  'a rebuild after everything was lost': { ...rebuilt, losses: ['empty'], passes: 2 },
  'a rebuild after a rollback': { ...c['a rebuild after a rollback'], passes: 2 },
  'a rebuild after a rollback with two grants': { ...c['a rebuild after a rollback with two grants'], passes: 1 },
  'a rebuild at any time': { ...rebuilt, rebuildWhen: 'any time', passes: 2 },
  'a rebuild under a clock that stands': { ...c['a rebuild under a clock that stands'], faults: 2 },
  'a rebuild of a pool after a rollback': { ...c['a rebuild of a pool after a rollback'], passes: 1 },
  'two rebuilds at once': { ...rebuilt, rebuilders: [1, 1], rebuildWhen: 'any time', faults: 1 },
  'two losses of everything': { ...rebuilt, losses: ['empty', 'empty'], rebuilders: [1, 1], faults: 0 },
  'a rollback, then a loss of everything': {
    ...rebuilt,
    losses: ['rollback', 'empty'],
    rebuilders: [1, 1],
    faults: 1,
    passes: 0,
  },
  'a loss of everything, then a rollback': { ...rebuilt, losses: ['empty', 'rollback'], rebuilders: [1, 1], faults: 0 },
  'two rollbacks': { ...rebuilt, losses: ['rollback', 'rollback'], rebuilders: [1, 1], faults: 0 },
  'write-behind, a rollback, then a loss of everything': {
    ...c['write-behind, a rollback, then a loss of everything'],
    faults: 1,
  },
  'a rebuild of every wreck with a fault': { ...wrecks, rebuilders: [1, 1], faults: 1, copies: 1 },
};
