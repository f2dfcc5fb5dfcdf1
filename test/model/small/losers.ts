import type { Part } from './part.js';
import type { Emit, Model } from './search.js';

/** Users of a rebuild of a pool whose unit is the row of another user. Their code may have been delivered. */
const RULES = {
  recallsFirst: 'a delivered unit leaves a promise only once its recall was told',
  goesOnceNamed: 'a user without a unit goes only with a call that names them',
  namedServe: 'a rebuild ends only once every user without a unit was named',
  keepsDropped: 'a run that begins anew knows the codes that left their promises',
  keepsAtEnd: 'so does one after a rebuild that has ended, whose caller may have heard an error',
} as const;

type Rule = keyof typeof RULES;

/** `holds`: the unit that is the row of another user. `waits`: for another one. */
type Promised = 'holds' | 'waits' | 'served' | 'gone';
type Call = { readonly kind: 'rows'; readonly told: boolean } | { readonly kind: 'finish'; readonly named: number[] };

interface Run {
  readonly step: 'ready' | 'sends' | 'tells' | 'done';
  readonly next: Call;
  /** Users to tell of, before it sends `next`. */
  readonly toTell: readonly number[];
}

interface State {
  readonly phase: 'rows' | 'losers' | 'serves';
  readonly users: readonly Promised[];
  readonly free: number;
  /** Users whose code is known to have left its promise, so that nobody gets it. */
  readonly dropped: readonly number[];
  /** Users whose unit was recalled, and users who were named. */
  readonly recalled: readonly number[];
  readonly named: readonly number[];
  /** The run whose epoch it is. */
  readonly epoch: number;
  readonly runs: readonly Run[];
  /** Calls that may still arrive, of a run. */
  readonly copies: readonly { readonly run: number; readonly call: Call }[];
  readonly faults: number;
}

interface Reply {
  readonly state: State;
  /** `null`: it is another run's rebuild by now. */
  readonly word: 'recall' | 'ok' | 'more' | 'done' | null;
  readonly users: readonly number[];
}

const ROWS: Call = { kind: 'rows', told: false };
const FINISH: Call = { kind: 'finish', named: [] };

function losers(rules: Record<Rule, boolean>, users: number, free: number, runs: number): Model<State> {
  const first: State = {
    phase: 'rows',
    users: Array.from({ length: users }, () => 'holds'),
    free,
    dropped: [],
    recalled: [],
    named: [],
    epoch: -1,
    runs: Array.from({ length: runs }, () => ({ step: 'ready', next: ROWS, toTell: [] })),
    copies: [],
    faults: 2,
  };
  const those = (state: State, what: Promised) => state.users.flatMap((user, i) => (user === what ? [i] : []));

  /** rebuild-rows */
  const writeRows = (state: State, told: boolean): Reply => {
    if (state.phase !== 'rows') return { state, word: 'ok', users: [] };
    if (!told && rules.recallsFirst && those(state, 'holds').length > 0) {
      return { state, word: 'recall', users: those(state, 'holds') };
    }
    const holders = those(state, 'holds');
    const users = state.users.map((user): Promised => (user === 'holds' ? 'waits' : user));
    const dropped = [...state.dropped, ...holders].sort();
    return { state: { ...state, users, dropped, phase: 'losers' }, word: 'ok', users: [] };
  };

  /** finish-rebuild, with one user a call. */
  const finish = (state: State, named: readonly number[]): Reply => {
    if (state.phase !== 'losers') return { state, word: state.phase === 'serves' ? 'done' : null, users: [] };
    const [user] = those(state, 'waits');
    const becomes = (what: Promised): State => ({ ...state, users: state.users.with(user!, what) });
    if (user === undefined) return { state: { ...state, phase: 'serves' }, word: 'done', users: [] };
    if (state.free > 0) return { state: { ...becomes('served'), free: state.free - 1 }, word: 'more', users: [] };
    if (named.includes(user) || !rules.goesOnceNamed) return { state: becomes('gone'), word: 'more', users: [user] };
    if (!rules.namedServe) return { state: { ...state, phase: 'serves' }, word: 'done', users: [user] };
    return { state, word: 'more', users: [user] };
  };

  const arrives = (state: State, run: number, call: Call): Reply => {
    if (state.epoch !== run) return { state, word: null, users: [] };
    return call.kind === 'rows' ? writeRows(state, call.told) : finish(state, call.named);
  };

  const after = (run: Run, { word, users: toTell }: Reply): Run => {
    if (word === 'recall') return { step: 'tells', next: { kind: 'rows', told: true }, toTell };
    if (word === 'ok') return { step: 'sends', next: FINISH, toTell: [] };
    if (word === 'more') return { step: 'tells', next: { kind: 'finish', named: [...toTell] }, toTell };
    return { ...run, step: 'done', toTell: [] };
  };

  const steps = (state: State, emit: Emit<State>) => {
    state.copies.forEach(({ run, call }, at) => {
      const left = { ...state, copies: state.copies.toSpliced(at, 1) };
      emit(arrives(left, run, call).state, `a copy of ${call.kind} of run ${run} arrives`);
    });
    state.runs.forEach((run, i) => {
      const set = (next: State, to: Run, why: string) => {
        emit({ ...next, runs: next.runs.with(i, to) }, `run ${i} ${why}`);
      };
      if (run.step === 'done') return;
      set(state, { ...run, step: 'done' }, 'stops');
      if (run.step === 'ready') {
        // Codes are loaded from then on, so it begins anew.
        const isKept = state.phase === 'serves' ? rules.keepsAtEnd : rules.keepsDropped;
        const dropped = state.phase === 'rows' || isKept ? state.dropped : [];
        set({ ...state, epoch: i, phase: 'rows', dropped }, { ...run, step: 'sends', next: ROWS }, 'begins');
      } else if (run.step === 'tells') {
        const list = run.next.kind === 'rows' ? 'recalled' : 'named';
        const told = [...new Set([...state[list], ...run.toTell])].sort();
        set({ ...state, [list]: told }, { ...run, step: 'sends', toTell: [] }, `tells ${run.toTell.join(' ')}`);
      } else if (run.step === 'sends') {
        const reply = arrives(state, i, run.next);
        set(reply.state, after(run, reply), `sends ${run.next.kind}, and is answered ${reply.word}`);
        if (state.faults === 0) return;
        const faulty = { ...reply.state, faults: state.faults - 1 };
        set(faulty, { ...run, step: 'done' }, 'loses the reply');
        const copies = [...state.copies, { run: i, call: run.next }];
        set({ ...faulty, copies }, after(run, reply), 'sends, and a copy stays under way');
      }
    });
  };

  const broken = (state: State): string | null => {
    const isTaken = (user: number) => state.users[user] !== 'holds' && !state.recalled.includes(user);
    if (state.users.some((_, user) => isTaken(user))) return 'recall: two users hold one unit, and nobody was told';
    const isSilent = those(state, 'gone').some((user) => !state.named.includes(user));
    if (isSilent) return 'named: a user is gone without a unit, and nobody was told';
    const isLoaded = (user: number) => state.users[user] !== 'holds' && !state.dropped.includes(user);
    if (state.phase === 'serves' && state.users.some((_, user) => isLoaded(user))) {
      return 'code: a code that may be known is given to another user';
    }
    if (state.phase === 'serves' && those(state, 'waits').length > 0) return 'ends: a user without a unit is left';
    return null;
  };

  return { first, steps, broken, key: (state) => JSON.stringify(state) };
}

const configurations = {
  'two users and one unit': [2, 1, 2],
  'two users and none': [2, 0, 2],
} as const;

export const LOSERS: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => {
    const [users, free, runs] = configurations[name];
    return losers(rules, users, free, runs) as Model<unknown>;
  },
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['recallsFirst', 'recall', 'two users and one unit'],
    ['goesOnceNamed', 'named', 'two users and none'],
    ['namedServe', 'ends', 'two users and none'],
    ['keepsDropped', 'code', 'two users and one unit'],
    ['keepsAtEnd', 'code', 'two users and one unit'],
  ],
};
