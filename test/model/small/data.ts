import type { Part } from './part.js';
import type { Emit, Model } from './search.js';

/** The data of calls under one request id: takeovers, late copies, every end of a reservation, losses and rebuilds. */
const RULES = {
  firstStays: 'a call that takes a unit over brings no data of its own',
  ownIsForNew: 'a takeover goes on with the data that Redis keeps',
  copiesBringNothing: 'a copy of a call brings no data',
  confirmDrops: 'a confirm removes the data',
  releaseDrops: 'a release removes the data',
  claimReads: 'settle goes on with the data that Redis keeps',
  reassignKeeps: 'another unit goes on with the data of the first',
  lossIsNoticed: 'nobody acts while data is missing',
  rowsDrop: 'a rebuild removes the data of a reservation that has its row',
  orphansGo: 'a rebuild removes data whose reservations are lost',
} as const;

type Rule = keyof typeof RULES;
/** The data of a call, by the number of the call; `null`: none. */
type Data = number | null;

interface Grant {
  readonly state: 'held' | 'promised' | 'issued';
  readonly stamp: number;
  /** The call that took the unit. */
  readonly by: number;
}

/** A process that acts on a reservation, or did. */
interface Holder {
  readonly epoch: number;
  readonly stamp: number;
  readonly by: number;
  readonly data: Data;
  readonly mayRelease: boolean;
  readonly saved: boolean;
}

interface State {
  readonly redis: {
    readonly epoch: number;
    readonly building: boolean;
    readonly stamp: number;
    readonly grant: Grant | null;
    readonly data: Data;
    /** How many data Redis should have. */
    readonly count: number;
    /** Calls that were seen. */
    readonly seen: readonly number[];
  };
  readonly calls: readonly ('ready' | 'sent')[];
  readonly holders: readonly Holder[];
  /** Copies of calls that may arrive at any time. */
  readonly copies: readonly number[];
  /** The data of the row, and the call that took its unit. */
  readonly row: { readonly data: Data; readonly by: number } | null;
  readonly faults: number;
  readonly losses: number;
  /** Redis lost data: what is saved from then on may lack it. */
  readonly excused: boolean;
}

/** The data of each call, how many faults, and which keys Redis may lose. */
type Configuration = readonly [calls: readonly boolean[], faults: number, losses: readonly ('data' | 'grants')[]];

function data(rules: Record<Rule, boolean>, [calls, faults, losses]: Configuration): Model<State> {
  const first: State = {
    redis: { epoch: 1, building: false, stamp: 0, grant: null, data: null, count: 0, seen: [] },
    calls: calls.map(() => 'ready'),
    holders: [],
    copies: [],
    row: null,
    faults,
    losses: losses.length,
    excused: false,
  };
  const own = (call: number): Data => (calls[call] ? call : null);
  const counted = (kept: Data) => (kept === null ? 0 : 1);
  const isWhole = ({ data: kept, count, building }: State['redis']) =>
    !building && (!rules.lossIsNoticed || counted(kept) === count);
  const without = (redis: State['redis']) => ({ ...redis, data: null, count: redis.count - counted(redis.data) });
  const holds = (redis: State['redis'], { epoch, stamp }: Holder) =>
    redis.epoch === epoch && redis.grant?.stamp === stamp && redis.grant.state !== 'issued';

  /** reserve */
  const reserve = (state: State, call: number): State => {
    const { redis } = state;
    const { grant } = redis;
    if (!isWhole(redis)) return state;
    const isCopy = redis.seen.includes(call);
    const stamp = redis.stamp + 1;
    const seen = isCopy ? redis.seen : [...redis.seen, call];
    const holder = { epoch: redis.epoch, stamp, saved: false };
    if (!grant) {
      if (isCopy) return state;
      const taken: Grant = { state: 'held', stamp, by: call };
      const kept = own(call) ?? redis.data;
      const after = { ...redis, stamp, grant: taken, data: kept, count: redis.count + counted(own(call)), seen };
      return {
        ...state,
        redis: after,
        holders: [...state.holders, { ...holder, by: call, data: own(call), mayRelease: true }],
      };
    }
    if (isCopy && !rules.copiesBringNothing) {
      const brought = own(call) ?? redis.data;
      return { ...state, redis: { ...redis, data: brought, count: counted(brought) } };
    }
    if (grant.state === 'issued' || isCopy) return { ...state, redis: { ...redis, seen } };
    const kept = rules.firstStays || own(call) === null ? redis.data : own(call);
    const over: Grant = { ...grant, state: 'promised', stamp };
    const goesOn = rules.ownIsForNew ? kept : own(call);
    const after = { ...redis, stamp, grant: over, data: kept, count: counted(kept), seen };
    return {
      ...state,
      redis: after,
      holders: [...state.holders, { ...holder, by: grant.by, data: goesOn, mayRelease: false }],
    };
  };

  const steps = (state: State, emit: Emit<State>) => {
    state.calls.forEach((step, call) => {
      if (step === 'sent') return;
      const sent = { ...state, calls: state.calls.with(call, 'sent') };
      emit(reserve(sent, call), `call ${call} reserves`);
      if (state.faults === 0) return;
      const copied = { ...sent, faults: state.faults - 1, copies: [...state.copies, call] };
      emit(reserve(copied, call), `call ${call} reserves, and a copy is under way`);
      emit(copied, `call ${call} comes late`);
    });
    state.copies.forEach((call, at) => {
      emit(reserve({ ...state, copies: state.copies.toSpliced(at, 1) }, call), `a copy of call ${call} arrives`);
    });
    state.holders.forEach((holder, at) => {
      act(state, holder, at, emit);
    });
    settle(state, emit);
    recover(state, emit);
  };

  const act = (state: State, holder: Holder, at: number, emit: Emit<State>) => {
    const { redis } = state;
    const gone = { ...state, holders: state.holders.toSpliced(at, 1) };
    const what = `the owner under stamp ${holder.stamp}`;
    emit(gone, `${what} dies`);
    if (!holder.saved) {
      const row = state.row ?? { data: holder.data, by: holder.by };
      emit({ ...state, row, holders: state.holders.with(at, { ...holder, saved: true }) }, `${what} saves`);
    }
    if (!holds(redis, holder)) return;
    const grant = redis.grant!;
    if (holder.saved) {
      const ended = { ...redis, grant: { ...grant, state: 'issued', stamp: 0 } as Grant };
      emit({ ...gone, redis: rules.confirmDrops ? without(ended) : ended }, `${what} confirms`);
      return;
    }
    if (holder.mayRelease) {
      const ended = { ...redis, grant: null };
      emit({ ...gone, redis: rules.releaseDrops ? without(ended) : ended }, `${what} gives the unit back`);
    }
    if (state.faults === 0) return;
    const stamp = redis.stamp + 1;
    const moved = { ...redis, stamp, grant: { ...grant, state: 'promised', stamp } as Grant };
    const next = { ...holder, stamp, mayRelease: false, data: rules.reassignKeeps ? holder.data : null };
    const spent = { ...state, faults: state.faults - 1, redis: moved, holders: state.holders.with(at, next) };
    emit(spent, `${what} gets another unit`);
  };

  /** claim-due: at any time, because a lease may run out at any time. */
  const settle = (state: State, emit: Emit<State>) => {
    const { redis } = state;
    const { grant } = redis;
    if (!isWhole(redis) || !grant || grant.state === 'issued' || state.holders.length > 1) return;
    const stamp = redis.stamp + 1;
    const over: Grant = { ...grant, state: 'promised', stamp };
    const kept = rules.claimReads ? redis.data : null;
    const holder = { epoch: redis.epoch, stamp, by: grant.by, data: kept, mayRelease: false, saved: false };
    emit({ ...state, redis: { ...redis, stamp, grant: over }, holders: [...state.holders, holder] }, 'settle claims');
  };

  const recover = (state: State, emit: Emit<State>) => {
    const { redis } = state;
    if (state.losses > 0 && !redis.building) {
      const lost = { ...state, losses: state.losses - 1, excused: true };
      const key = losses[losses.length - state.losses];
      if (key === 'data') emit({ ...lost, redis: { ...redis, data: null } }, 'Redis loses the data');
      // It counts the grants too, so nobody acts.
      else emit({ ...lost, redis: { ...redis, grant: null, building: true } }, 'Redis loses the grants');
    }
    if (losses.length === 0 && redis.epoch > 1) return;
    if (redis.epoch > 2) return;
    // A row wins over the promise. A promise stays, and so does its data.
    const { grant } = redis;
    const hasRow = state.row !== null;
    const kept = (grant && !(hasRow && rules.rowsDrop)) || (!grant && !rules.orphansGo) ? redis.data : null;
    const promised = grant && ({ ...grant, state: 'promised' } as Grant);
    const made: Grant | null = hasRow ? { state: 'issued', stamp: 0, by: state.row!.by } : promised;
    const after = { ...redis, epoch: redis.epoch + 1, building: false, grant: made, data: kept, count: counted(kept) };
    emit({ ...state, redis: after }, 'a rebuild');
  };

  const broken = ({ redis, row, excused }: State): string | null => {
    const { grant, data: kept, building } = redis;
    const isReserved = grant !== null && grant.state !== 'issued';
    if (row && row.data !== own(row.by)) {
      if (!excused || row.data !== null) return 'row: it has the data of another call, or none';
      // A rebuild is the answer to the loss, and an operator knows of it.
      if (redis.epoch === 1) return 'noticed: a row lacks its data, and nobody was told of the loss';
    }
    if (building) return null;
    if (kept !== null && !isReserved) return 'ends: data outlives its reservation';
    if (kept !== null && kept !== own(grant!.by)) return 'first: Redis keeps the data of another call';
    if (isReserved && kept === null && own(grant.by) !== null && !excused) return 'kept: a reservation lost its data';
    return null;
  };

  /** Stamps only have to differ, and owners have no order. */
  const key = (state: State): string => {
    const { redis, holders } = state;
    const stamps = [...new Set(holders.map(({ stamp }) => stamp))].sort((a, b) => a - b);
    const nth = (stamp: number) => stamps.indexOf(stamp) + 1;
    const grant = redis.grant && { ...redis.grant, stamp: nth(redis.grant.stamp) };
    const owners = holders.map((holder) => JSON.stringify({ ...holder, stamp: nth(holder.stamp) })).sort();
    return JSON.stringify({ ...state, redis: { ...redis, grant, stamp: 0 }, holders: owners });
  };

  return { first, steps, broken, key };
}

const configurations = {
  'a call and its repeat with other data': [[true, true], 2, []],
  'a call without data and a repeat with some': [[false, true], 2, []],
  'a call with data and a repeat without': [[true, false], 2, []],
  'data that Redis loses': [[true, true], 1, ['data']],
  'grants that Redis loses': [[true, true], 1, ['grants']],
} as const satisfies Record<string, Configuration>;

export const DATA: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => data(rules, configurations[name]) as Model<unknown>,
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['firstStays', 'first', 'a call and its repeat with other data'],
    ['ownIsForNew', 'row', 'a call and its repeat with other data'],
    ['copiesBringNothing', 'first', 'a call and its repeat with other data'],
    ['confirmDrops', 'ends', 'a call and its repeat with other data'],
    ['releaseDrops', 'ends', 'a call and its repeat with other data'],
    ['claimReads', 'row', 'a call and its repeat with other data'],
    ['reassignKeeps', 'row', 'a call and its repeat with other data'],
    ['lossIsNoticed', 'noticed', 'data that Redis loses'],
    ['rowsDrop', 'ends', 'a call and its repeat with other data'],
    ['orphansGo', 'ends', 'grants that Redis loses'],
  ],
};
