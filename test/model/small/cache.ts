import type { Part } from './part.js';
import type { Emit, Model } from './search.js';

/** One entry of a cache: find-cached, store-cached, give-up-load and drop-cached, and the passes of `src/cache`. */
const RULES = {
  storesUnderItsLease: 'a value is stored only under the lease of its load',
  dropEndsTheLease: 'an invalidation ends the lease',
  oneLease: 'no lease is given while another one is held',
  madeAnew: 'the name of a lease is made anew each time that a call runs',
  setsUnderALease: 'a value that is set is stored under a lease of its own',
  sharesOnlyStored: 'callers that came after the look share a load only if it was stored',
  laterAskAgain: 'callers that came after the last call was sent ask again',
  futureLeaseEnds: 'a lease from the future is not held',
} as const;

type Rule = keyof typeof RULES;

/** A version of the row in the database. */
type Version = number;

interface Lease {
  readonly token: number;
  readonly held: boolean;
  /** The clock was set back below its beginning. */
  readonly future: boolean;
}

interface Process {
  readonly step: 'idle' | 'reading' | 'loaded' | 'answering' | 'dead';
  /** What had been answered when its callers came: those of before the look, and the last of those that came later. */
  readonly floor: Version;
  readonly joined: Version | null;
  readonly token: number;
  readonly value: Version;
  readonly shares: boolean;
  readonly looks: number;
}

type Message =
  | { readonly kind: 'find'; readonly caller: number }
  | { readonly kind: 'store'; readonly token: number; readonly value: Version }
  | { readonly kind: 'drop'; readonly leases: boolean }
  | { readonly kind: 'write'; readonly value: Version };

interface Writer {
  readonly verb: 'invalidate' | 'set';
  readonly step: 'ready' | 'committed' | 'leased' | 'done';
  readonly value: Version;
  readonly token: number;
}

interface State {
  readonly row: Version;
  /** The newest version whose change was answered. */
  readonly told: Version;
  readonly value: Version | null;
  readonly lease: Lease | null;
  /** Leases that were neither ended nor ran out. */
  readonly holders: readonly number[];
  readonly minted: number;
  readonly processes: readonly Process[];
  readonly writers: readonly Writer[];
  readonly late: readonly Message[];
  readonly left: { readonly faults: number; readonly deaths: number; readonly steps: number; readonly losses: number };
  readonly broken: string | null;
}

interface Configuration {
  readonly writers: readonly Writer['verb'][];
  readonly looks: number;
  readonly faults?: number;
  readonly deaths?: number;
  readonly steps?: number;
  readonly losses?: number;
}

const IDLE: Process = { step: 'idle', floor: 0, joined: null, token: 0, value: 0, shares: false, looks: 0 };

function entry(rules: Record<Rule, boolean>, config: Configuration): Model<State> {
  const { writers, looks, faults = 0, deaths = 0, steps: clockSteps = 0, losses = 0 } = config;
  const first: State = {
    row: 0,
    told: 0,
    value: null,
    lease: null,
    holders: [],
    minted: 0,
    processes: [IDLE, IDLE],
    writers: writers.map((verb) => ({ verb, step: 'ready', value: 0, token: 0 })),
    late: [],
    left: { faults, deaths, steps: clockSteps, losses },
    broken: null,
  };

  const isHeld = ({ lease }: State) => lease?.held === true && !(rules.futureLeaseEnds && lease.future);
  const leased = (state: State, own?: number): State => {
    const token = own ?? state.minted + 1;
    const minted = own ? state.minted : token;
    return { ...state, lease: { token, held: true, future: false }, minted, holders: [...state.holders, token] };
  };
  /** find-cached, where there is no value. A lease of a caller's own name is one that a late copy brings back. */
  const find = (state: State, caller: number): State =>
    isHeld(state) && rules.oneLease ? state : leased(state, rules.madeAnew ? undefined : -caller);
  /** store-cached */
  const store = (state: State, token: number, value: Version): State => {
    if (rules.storesUnderItsLease && state.lease?.token !== token) return state;
    return { ...state, value, lease: null, holders: state.holders.filter((one) => one !== token) };
  };
  /** drop-cached */
  const drop = (state: State, leases: boolean): State => {
    const ended = { ...state, value: null, lease: rules.dropEndsTheLease ? null : state.lease, holders: [] };
    return leases ? leased(ended) : ended;
  };
  const run = (state: State, message: Message): State => {
    if (message.kind === 'find') return state.value === null ? find(state, message.caller) : state;
    if (message.kind === 'store') return store(state, message.token, message.value);
    if (message.kind === 'drop') return drop(state, message.leases);
    return { ...state, value: message.value, lease: null, holders: [] };
  };
  const spent = (state: State, what: keyof State['left']): State => ({
    ...state,
    left: { ...state.left, [what]: state.left[what] - 1 },
  });

  /** A call that arrives; or it is lost; or its reply is; or a copy stays under way. */
  const send = (
    state: State,
    message: Message,
    told: (after: State, how: string) => void,
    lost: (after: State) => void,
  ) => {
    told(run(state, message), '');
    if (state.left.faults === 0) return;
    const less = spent(state, 'faults');
    const late = { ...less, late: [...less.late, message] };
    lost(late);
    lost(run(less, message));
    told(run(late, message), ', and a copy stays under way');
  };

  const read = (state: State, p: number, emit: Emit<State>) => {
    const process = state.processes[p]!;
    const set = (next: State, change: Partial<Process>, why: string) =>
      emit({ ...next, processes: next.processes.with(p, { ...process, ...change }) }, `process ${p} ${why}`);
    const { step, token, value, floor, joined, shares } = process;
    if (step !== 'idle' && step !== 'dead') {
      if (state.left.deaths > 0) set(spent(state, 'deaths'), { step: 'dead' }, 'dies');
      if (joined !== state.told)
        set(
          state,
          { joined: state.told, ...(step === 'answering' && rules.laterAskAgain && { shares }) },
          'has a caller that came later',
        );
    }
    if (step === 'idle' && process.looks < looks) {
      const asked = { floor: state.told, joined: null, shares: !rules.laterAskAgain, looks: process.looks + 1 };
      if (state.value !== null) return set(state, { ...asked, step: 'answering', value: state.value }, 'finds a value');
      const caller = 1 + p + 2 * process.looks;
      const told = (after: State, how: string) => {
        if (after.lease === state.lease && after.minted === state.minted) return;
        set(after, { ...asked, step: 'reading', token: after.lease!.token, value: after.row }, `begins to load${how}`);
      };
      send(state, { kind: 'find', caller }, told, (after) => set(after, asked, 'hears nothing of its look'));
    }
    if (step === 'reading') set(state, { step: 'loaded' }, 'has loaded');
    if (step === 'loaded') {
      const stored = (after: State, how: string) => {
        const took = after.value === value && state.lease?.token === token;
        const may = took || !rules.sharesOnlyStored;
        // A caller that came before may have the value; of those that come now the joined one is forgotten.
        const wrong = may && joined !== null && value < joined ? 'old: a caller that came later' : null;
        set({ ...after, broken: wrong }, { step: 'answering', joined: null }, `stores ${took ? '' : 'nothing'}${how}`);
      };
      send(state, { kind: 'store', token, value }, stored, (after) =>
        set(after, { step: 'answering', joined: null }, 'hears nothing of its store'),
      );
    }
    if (step === 'answering') {
      const wrong = value < floor || (shares && joined !== null && value < joined);
      set(
        { ...state, broken: wrong ? 'old: a caller got a value from before a change that was answered' : null },
        { step: 'idle', joined: null, token: 0, value: 0, floor: 0 },
        'answers',
      );
    }
  };

  /** Writers take turns, as the guide says of `set`. */
  const write = (state: State, emit: Emit<State>) => {
    const w = state.writers.findIndex(({ step }) => step !== 'done');
    if (w === -1) return;
    const writer = state.writers[w]!;
    const set = (next: State, change: Partial<Writer>, why: string) =>
      emit({ ...next, writers: next.writers.with(w, { ...writer, ...change }) }, `writer ${w} ${why}`);
    const answered = (after: State, how: string) =>
      set({ ...after, told: writer.value }, { step: 'done' }, `is answered${how}`);
    const again = (after: State) => set(after, { step: 'committed' }, 'hears nothing, and repeats');
    if (writer.step === 'ready')
      return set({ ...state, row: state.row + 1 }, { step: 'committed', value: state.row + 1 }, 'commits');
    if (writer.step === 'committed') {
      if (state.left.deaths > 0) set(spent(state, 'deaths'), { step: 'done' }, 'dies');
      if (writer.verb === 'invalidate') return send(state, { kind: 'drop', leases: false }, answered, again);
      if (!rules.setsUnderALease) return send(state, { kind: 'write', value: writer.value }, answered, again);
      const leasing = (after: State, how: string) =>
        set(after, { step: 'leased', token: after.lease!.token }, `takes the lease${how}`);
      return send(state, { kind: 'drop', leases: true }, leasing, again);
    }
    send(state, { kind: 'store', token: writer.token, value: writer.value }, answered, (after) =>
      answered(after, ' without a store'),
    );
  };

  const steps = (state: State, emit: Emit<State>) => {
    const { lease, left, late } = state;
    state.processes.forEach((_, p) => {
      read(state, p, emit);
    });
    write(state, emit);
    late.forEach((message, at) => {
      emit(run({ ...state, late: late.toSpliced(at, 1) }, message), `a late copy of ${message.kind} runs`);
    });
    if (state.value !== null) emit({ ...state, value: null }, 'the value expires');
    const holders = state.holders.filter((token) => token !== lease?.token);
    if (lease?.held && !lease.future) {
      emit({ ...state, lease: { ...lease, held: false }, holders }, 'the lease runs out');
      emit({ ...state, lease: null, holders }, 'the lease runs out, and its key is gone');
    }
    if (lease && left.steps > 0)
      emit({ ...spent(state, 'steps'), lease: { ...lease, future: true }, holders }, 'the clock is set back');
    if (left.losses > 0) emit({ ...spent(state, 'losses'), value: null, lease: null, holders: [] }, 'Redis loses all');
  };

  const broken = (state: State): string | null => {
    if (state.broken) return state.broken;
    const loading = state.processes.filter(({ step, token }) => step === 'reading' && state.holders.includes(token));
    if (loading.length > 1) return 'twice: two processes load, and both have a lease';
    const { lease } = state;
    const isOwned = state.processes.some(({ step, token }) => step !== 'dead' && token === lease?.token);
    if (lease?.future && isHeld(state) && !isOwned)
      return 'stuck: a lease that nobody has holds for as long as the step';
    return null;
  };

  /** Of the names of leases counts only which are the same. */
  const key = (state: State): string => {
    const names = new Map<number, number>([[0, 0]]);
    const renamed = (name: string, value: unknown) => {
      if (name !== 'token' || typeof value !== 'number') return value;
      if (!names.has(value)) names.set(value, names.size);
      return names.get(value);
    };
    const holders = state.holders.map((token) => ({ token }));
    // Those that a caller would name itself differ from all others.
    return JSON.stringify({ ...state, minted: 0, holders }, rules.madeAnew ? renamed : undefined);
  };

  return { first, steps, broken, key };
}

const configurations = {
  'an invalidation, and two faults': { writers: ['invalidate'], looks: 1, faults: 2 },
  'two invalidations': { writers: ['invalidate', 'invalidate'], looks: 2 },
  'a set, an invalidation, and a fault': { writers: ['set', 'invalidate'], looks: 1, faults: 1 },
  'two sets, and a fault': { writers: ['set', 'set'], looks: 1, faults: 1 },
  'processes that die': { writers: ['set', 'invalidate'], looks: 1, deaths: 2 },
  'a clock that steps': { writers: ['invalidate'], looks: 1, deaths: 1, steps: 1, faults: 1 },
  'a Redis that loses all': { writers: ['set', 'invalidate'], looks: 1, losses: 2 },
} as const satisfies Record<string, Configuration>;

export const CACHE: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => entry(rules, configurations[name]) as Model<unknown>,
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['storesUnderItsLease', 'old', 'an invalidation, and two faults'],
    ['dropEndsTheLease', 'old', 'an invalidation, and two faults'],
    ['oneLease', 'twice', 'an invalidation, and two faults'],
    ['madeAnew', 'old', 'an invalidation, and two faults'],
    ['setsUnderALease', 'old', 'a set, an invalidation, and a fault'],
    ['sharesOnlyStored', 'old', 'an invalidation, and two faults'],
    ['laterAskAgain', 'old', 'an invalidation, and two faults'],
    ['futureLeaseEnds', 'stuck', 'a clock that steps'],
  ],
};
