import type { Redis, State } from './state.js';

/** Field by field: a spread of so many takes ten times as long, and this is where the time goes. */
export function copyRedis(of: Redis): Redis {
  return {
    present: of.present,
    verified: of.verified,
    epoch: of.epoch,
    stamp: of.stamp,
    lastSerial: of.lastSerial,
    total: of.total,
    withdrawn: of.withdrawn,
    grants: of.grants.slice(),
    senders: of.senders.slice(),
    free: of.free.slice(),
    codes: of.codes,
    loads: listOf(of.loads),
    closed: of.closed,
    paused: of.paused,
    incomplete: of.incomplete,
    overRows: of.overRows,
    build: of.build,
  };
}

const listOf = <T>(list: T[]): T[] => (list.length > 0 ? list.slice() : list);

/** Whatever is inside the lists is never changed in place. */
export function copyState(of: State): State {
  return {
    redis: copyRedis(of.redis),
    snapshot: of.snapshot,
    rows: of.rows.slice(),
    messages: of.messages.slice(),
    processes: of.processes.slice(),
    calls: of.calls.slice(),
    workers: listOf(of.workers),
    operator: of.operator,
    openers: listOf(of.openers),
    loaders: listOf(of.loaders),
    rebuilders: listOf(of.rebuilders),
    faults: of.faults,
    passes: of.passes,
    acts: of.acts,
    pauses: of.pauses,
    lost: of.lost,
    rebuilt: of.rebuilt,
    stray: of.stray,
    shown: of.shown.slice(),
    withdrawn: of.withdrawn,
    abandoned: of.abandoned,
    makings: of.makings,
    finished: of.finished,
    lastStamp: of.lastStamp,
    broken: of.broken,
  };
}
