import {
  EMPTY,
  type Entry,
  type Message,
  type Ran,
  RULES,
  type Rule,
  scriptsUnder,
  type Version,
} from './cache-entry.js';
import type { Part } from './part.js';
import type { Emit, Model } from './search.js';

interface Process {
  readonly step: 'idle' | 'reading' | 'loaded' | 'apart' | 'answering' | 'dead';
  /** What had been answered when its callers came: those of before the look, and the last of those that came later. */
  readonly floor: Version;
  readonly joined: Version | null;
  readonly token: number;
  readonly value: Version;
  readonly shares: boolean;
  /** A refresh: its callers have their answer. */
  readonly behind: boolean;
  readonly looks: number;
}

interface Writer {
  /** One whose `set` failed calls `invalidate` until it is answered. */
  readonly step: 'ready' | 'sets' | 'leased' | 'invalidates' | 'done';
  readonly value: Version;
  readonly token: number;
}

interface State {
  readonly row: Version;
  /** The newest version whose change was answered. */
  readonly told: Version;
  readonly entry: Entry;
  readonly processes: readonly Process[];
  readonly writers: readonly Writer[];
  readonly late: readonly Message[];
  readonly left: { readonly faults: number; readonly deaths: number; readonly steps: number; readonly losses: number };
  readonly broken: string | null;
}

interface Configuration {
  readonly writers: readonly ('set' | 'invalidate')[];
  readonly looks: number;
  /** Values may be due before they expire. */
  readonly early?: boolean;
  /** Loads may fail, and values may be too large to be stored. */
  readonly givesUp?: boolean;
  readonly faults?: number;
  readonly deaths?: number;
  readonly steps?: number;
  readonly losses?: number;
}

const IDLE: Process = {
  step: 'idle',
  floor: 0,
  joined: null,
  token: 0,
  value: 0,
  shares: false,
  behind: false,
  looks: 0,
};

/** The passes of `src/cache` and the writers, on one entry. */
function entryOf(rules: Record<Rule, boolean>, config: Configuration): Model<State> {
  const { writers, looks, early, givesUp, faults = 0, deaths = 0, steps: clockSteps = 0, losses = 0 } = config;
  const first: State = {
    row: 0,
    told: 0,
    entry: EMPTY,
    processes: [IDLE, IDLE],
    writers: writers.map(() => ({ step: 'ready', value: 0, token: 0 })),
    late: [],
    left: { faults, deaths, steps: clockSteps, losses },
    broken: null,
  };
  const { run, isHeld } = scriptsUnder(rules);

  type Told = (after: State, word: Ran['word'], how: string) => void;
  const spent = (state: State, what: keyof State['left']): State => ({
    ...state,
    left: { ...state.left, [what]: state.left[what] - 1 },
  });
  const ran = (state: State, message: Message): { after: State; word: Ran['word'] } => {
    const { entry, word, broken = null } = run(state.entry, message);
    return { after: { ...state, entry, broken: state.broken ?? broken }, word };
  };

  /** A call that arrives; or it is lost; or its reply is; or a copy stays under way; or its client sends it again. */
  const send = (state: State, message: Message, told: Told, lost: (after: State) => void) => {
    const tell = (from: State, how: string) => {
      const { after, word } = ran(from, message);
      told(after, word, how);
    };
    tell(state, '');
    if (state.left.faults === 0) return;
    const less = spent(state, 'faults');
    const late = { ...less, late: [...less.late, message] };
    lost(late);
    lost(ran(less, message).after);
    tell(late, ', and a copy stays under way');
    tell(ran(less, message).after, ', sent again');
  };

  const read = (state: State, p: number, emit: Emit<State>) => {
    const process = state.processes[p]!;
    const { step, token, value, floor, joined, shares, behind } = process;
    const set = (next: State, change: Partial<Process>, why: string, wrong: string | false = false) => {
      const processes = next.processes.with(p, { ...process, ...change });
      emit({ ...next, processes, broken: next.broken ?? (wrong || null) }, `process ${p} ${why}`);
    };
    const over = { step: 'idle', joined: null, token: 0, value: 0, floor: 0, shares: false, behind: false } as const;
    const afterLook = rules.laterAskAgain ? { shares: false } : {};

    if (step !== 'idle' && step !== 'dead') {
      if (state.left.deaths > 0) set(spent(state, 'deaths'), { step: 'dead' }, 'dies');
      if (joined !== state.told && !behind)
        set(state, { joined: state.told, ...(step === 'answering' && afterLook) }, 'has a caller that came later');
    }
    if (step === 'idle' && process.looks < looks) look(state, p, set);
    if (step === 'reading') set(state, { step: 'loaded' }, 'has loaded');
    if (step === 'apart') {
      const callers = { floor: joined ?? floor, joined: null, shares: !rules.laterAskAgain };
      set(state, { step: 'answering', value: state.row, ...callers }, 'loads for itself');
    }
    if (step === 'loaded') {
      // Of the callers that came up to this call the last one counts; of those that come now, none is under way yet.
      const kept: Told = (after, word, how) => {
        const may = word !== 'superseded' || !rules.sharesOnlyStored;
        const wrong = may && joined !== null && value < joined && 'old: a caller that came later';
        const next = behind ? over : { step: 'answering' as const, joined: null };
        set(after, next, `${word === 'superseded' ? 'stores nothing' : word}${how}`, wrong);
      };
      const unheard = (after: State) =>
        set(after, behind ? over : { step: 'answering', joined: null }, 'hears nothing of the end of its load');
      send(state, { kind: 'store', token, value }, kept, unheard);
      if (givesUp) {
        send(state, { kind: 'give up', token, mark: { word: 'apart', value } }, kept, unheard);
        const fails = (after: State) => set(after, over, 'has failed');
        send(state, { kind: 'give up', token, mark: { word: 'failed', value } }, fails, fails);
      }
    }
    if (step === 'answering') {
      const wrong = value < floor || (shares && joined !== null && value < joined);
      set(state, over, 'answers', wrong && 'old: a caller got a value from before a change that was answered');
    }
  };

  const look = (
    state: State,
    p: number,
    set: (next: State, change: Partial<Process>, why: string, wrong?: string | false) => void,
  ) => {
    const process = state.processes[p]!;
    const asked = { floor: state.told, joined: null, shares: !rules.laterAskAgain, looks: process.looks + 1 };
    const { value } = state.entry;
    if (value !== null) set(state, { ...asked, step: 'answering', value }, 'finds a value');
    if (value !== null && !early) return;
    const caller = 1 + p + 2 * process.looks;
    const told: Told = (after, word, how) => {
      const { entry } = after;
      const holds = { token: entry.lease?.token ?? 0, value: after.row, step: 'reading' } as const;
      const isAlone = isHeld(entry) && entry.lease?.caller === caller && 'stuck: a call waits for its own lease';
      if (word === 'load') return set(after, { ...asked, ...holds }, `begins to load${how}`);
      if (word === 'refresh') {
        const wrong = entry.value! < state.told && 'old: an early value';
        return set(after, { ...asked, ...holds, behind: true }, `answers, and begins to refresh${how}`, wrong);
      }
      if (word === 'apart') return set(after, { ...asked, step: 'apart' }, `finds that nothing can be stored${how}`);
      if (word === 'found')
        return set(after, { ...asked, step: 'answering', value: entry.value! }, `finds it${how}`, isAlone);
      const isPast = word === 'failed' && entry.mark!.value < state.told && 'mark: of a load from before a change';
      // A call that hears nothing new asks again.
      if (after !== state) set(after, { looks: asked.looks }, `hears: ${word}${how}`, isAlone || isPast);
    };
    send(state, { kind: 'find', caller, due: value !== null }, told, (after) =>
      set(after, asked, 'hears nothing of its look'),
    );
  };

  /** The order of two sets may differ from that of their commits, so nobody commits while one is under way. */
  const write = (state: State, w: number, emit: Emit<State>) => {
    const writer = state.writers[w]!;
    const set = (next: State, change: Partial<Writer>, why: string) =>
      emit({ ...next, writers: next.writers.with(w, { ...writer, ...change }) }, `writer ${w} ${why}`);
    const answered: Told = (after, _, how) =>
      set({ ...after, told: Math.max(after.told, writer.value) }, { step: 'done', token: 0 }, `is answered${how}`);
    const instead = (after: State) => set(after, { step: 'invalidates', token: 0 }, 'hears nothing, and invalidates');
    if (writer.step === 'ready') {
      const others = state.writers.slice(0, w);
      if (others.some(({ step }) => step === 'ready' || step === 'sets' || step === 'leased')) return;
      const step = writers[w] === 'set' ? 'sets' : 'invalidates';
      return set({ ...state, row: state.row + 1 }, { step, value: state.row + 1 }, 'commits');
    }
    if (writer.step === 'done') return;
    if (writer.step === 'leased')
      return send(state, { kind: 'store', token: writer.token, value: writer.value }, answered, (after) =>
        answered(after, 'superseded', ' without a store'),
      );
    if (state.left.deaths > 0) set(spent(state, 'deaths'), { step: 'done' }, 'dies');
    if (writer.step === 'invalidates') return send(state, { kind: 'drop', caller: 0 }, answered, instead);
    if (!rules.setsUnderALease) return send(state, { kind: 'write', value: writer.value }, answered, instead);
    const leasing: Told = (after, _, how) =>
      set(after, { step: 'leased', token: after.entry.lease!.token }, `takes the lease${how}`);
    send(state, { kind: 'drop', caller: 101 + w }, leasing, instead);
  };

  const steps = (state: State, emit: Emit<State>) => {
    const { entry, left, late } = state;
    state.processes.forEach((_, p) => {
      read(state, p, emit);
    });
    state.writers.forEach((_, w) => {
      write(state, w, emit);
    });
    late.forEach((message, at) => {
      emit(ran({ ...state, late: late.toSpliced(at, 1) }, message).after, `a late copy of ${message.kind} runs`);
    });
    const becomes = (change: Partial<Entry>, why: string, from = state) =>
      emit({ ...from, entry: { ...entry, ...change } }, why);
    if (entry.value !== null) becomes({ value: null }, 'the value expires');
    if (entry.mark) becomes({ mark: null }, 'the mark ends');
    const { lease } = entry;
    const holders = entry.holders.filter((token) => token !== lease?.token);
    if (lease?.held && !lease.future) {
      becomes({ lease: { ...lease, held: false }, holders }, 'the lease runs out');
      becomes({ lease: null, holders }, 'the lease runs out, and its key is gone');
    }
    if (lease && left.steps > 0)
      becomes({ lease: { ...lease, future: true }, holders }, 'the clock is set back', spent(state, 'steps'));
    if (left.losses > 0) becomes({ ...EMPTY, minted: entry.minted }, 'Redis loses all', spent(state, 'losses'));
  };

  const broken = (state: State): string | null => {
    if (state.broken) return state.broken;
    const { holders, lease } = state.entry;
    const loading = state.processes.filter(({ step, token }) => step === 'reading' && holders.includes(token));
    if (loading.length > 1) return 'twice: two processes load, and both have a lease';
    const isOwned = state.processes.some(({ step, token }) => step !== 'dead' && token === lease?.token);
    if (lease?.future && isHeld(state.entry) && !isOwned)
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
    const holders = state.entry.holders.map((token) => ({ token }));
    const shown = { ...state, entry: { ...state.entry, minted: 0, holders } };
    // Those that a caller would name itself differ from all others.
    return JSON.stringify(shown, rules.madeAnew ? renamed : undefined);
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
  'early refreshes, and a fault': { writers: ['invalidate'], looks: 2, early: true, faults: 1 },
  'loads without a value to store, and a fault': { writers: ['invalidate'], looks: 2, givesUp: true, faults: 1 },
  'refreshes without a value to store': { writers: ['set'], looks: 2, early: true, givesUp: true },
} as const satisfies Record<string, Configuration>;

export const CACHE: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => entryOf(rules, configurations[name]) as Model<unknown>,
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['storesUnderItsLease', 'old', 'an invalidation, and two faults'],
    ['storesWhileItHolds', 'counted', 'an invalidation, and two faults'],
    ['dropEndsTheLease', 'old', 'an invalidation, and two faults'],
    ['dropEndsTheMark', 'mark', 'loads without a value to store, and a fault'],
    ['oneLease', 'twice', 'an invalidation, and two faults'],
    ['refreshKeepsOneLease', 'twice', 'early refreshes, and a fault'],
    ['resentFindsItsOwn', 'stuck', 'an invalidation, and two faults'],
    ['givesUpItsLease', 'old', 'loads without a value to store, and a fault'],
    ['madeAnew', 'old', 'an invalidation, and two faults'],
    ['setsUnderALease', 'old', 'a set, an invalidation, and a fault'],
    ['sharesOnlyStored', 'old', 'an invalidation, and two faults'],
    ['laterAskAgain', 'old', 'an invalidation, and two faults'],
    ['futureLeaseEnds', 'stuck', 'a clock that steps'],
  ],
};
