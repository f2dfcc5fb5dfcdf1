import type { Part } from './part.js';
import type { Emit, Model } from './search.js';

/** Changes of the rules of a running campaign: operators that die or repeat, copies, a rebuild, and a process that remembers old rules. */
const RULES = {
  idIsKept: 'a change is made once under its request id',
  namesWhatItFollows: 'a change names how many changes its caller knows of',
  neverFalls: 'the limit never falls',
  rebuildKeeps: 'a rebuild keeps what was changed',
  namesTheLimit: 'a call that takes names the limit that its process knows',
} as const;

type Rule = keyof typeof RULES;

interface Message {
  readonly by: number;
  readonly epoch: number;
  readonly known: number;
  /** How many changes were made by then. */
  readonly sentAt: number;
}

interface State {
  /** `value` stands for the window, `limit` for perUser. `made`: the changes in the order in which they were made. */
  readonly redis: {
    readonly epoch: number;
    readonly building: boolean;
    readonly value: number;
    readonly limit: number;
    readonly updates: number;
    readonly made: readonly number[];
  };
  readonly operators: readonly {
    readonly step: 'ready' | 'waits' | 'told' | 'refused' | 'gave up';
    readonly epoch: number;
    readonly known: number;
    readonly sends: number;
  }[];
  /** Calls under way: each may arrive at any time, or never. */
  readonly wire: readonly Message[];
  readonly faults: number;
  readonly rebuilds: number;
  /** The epoch and the limit that a process remembers, and how it last took. */
  readonly process: {
    readonly epoch: number;
    readonly limit: number;
    readonly took: 'nothing' | 'rightly' | 'by an old limit';
  };
  /** How often each change was made, and the largest limit that ever held. */
  readonly times: readonly number[];
  readonly largest: number;
  /** A change that was told, and then undone by a copy of an earlier one. */
  readonly undone: boolean;
}

interface Change {
  readonly value: number | null;
  readonly limit: number | null;
}

/** The changes, how many faults, how many rebuilds. */
type Configuration = readonly [changes: readonly Change[], faults: number, rebuilds: number];

function updates(rules: Record<Rule, boolean>, [changes, faults, rebuilds]: Configuration): Model<State> {
  const first: State = {
    redis: { epoch: 1, building: false, value: 0, limit: 1, updates: 0, made: [] },
    operators: changes.map(() => ({ step: 'ready', epoch: 1, known: 0, sends: 0 })),
    wire: [],
    faults,
    rebuilds,
    process: { epoch: 1, limit: 1, took: 'nothing' },
    times: changes.map(() => 0),
    largest: 1,
    undone: false,
  };

  /** update-campaign: the state after it, and its reply. */
  const run = (state: State, { by, epoch, known, sentAt }: Message): { next: State; word: string } => {
    const { redis } = state;
    const { value, limit } = changes[by]!;
    if (redis.building) return { next: state, word: 'rebuilding' };
    if (epoch !== redis.epoch) return { next: state, word: 'stale_epoch' };
    if (redis.made.includes(by) && rules.idIsKept) return { next: state, word: 'done' };
    if (known !== redis.updates && rules.namesWhatItFollows) return { next: state, word: 'stale_rules' };
    if (limit !== null && limit < redis.limit && rules.neverFalls) return { next: state, word: 'fewer' };
    const made = [...redis.made, by];
    const after = {
      ...redis,
      value: value ?? redis.value,
      limit: limit ?? redis.limit,
      updates: redis.updates + 1,
      made,
    };
    // Another change was made and told since it was sent.
    const late = redis.made.slice(sentAt).some((one) => one !== by && state.operators[one]!.step === 'told');
    const times = state.times.with(by, state.times[by]! + 1);
    const largest = Math.max(state.largest, after.limit);
    return {
      next: { ...state, redis: after, times, largest, undone: state.undone || (late && value !== null) },
      word: 'done',
    };
  };

  const steps = (state: State, emit: Emit<State>) => {
    for (const by of state.operators.keys()) operate(state, by, emit);
    state.wire.forEach((message, at) => {
      const rest = { ...state, wire: state.wire.toSpliced(at, 1) };
      emit(run(rest, message).next, `a call of change ${message.by} arrives late`);
    });
    rebuild(state, emit);
    take(state, emit);
  };

  const operate = (state: State, by: number, emit: Emit<State>) => {
    const operator = state.operators[by]!;
    const set = (next: State, change: Partial<typeof operator>, why: string) => {
      emit({ ...next, operators: next.operators.with(by, { ...operator, ...change }) }, `operator ${by} ${why}`);
    };
    if (operator.step === 'ready') set(state, { step: 'waits' }, 'begins');
    if (operator.step === 'gave up')
      set(state, { step: 'waits', sends: 0, known: 0, epoch: state.redis.epoch }, 'repeats it');
    if (operator.step !== 'waits' || operator.sends >= 3) return;
    const message = { by, epoch: operator.epoch, known: operator.known, sentAt: state.redis.updates };
    const sends = operator.sends + 1;
    const { next, word } = run(state, message);
    if (word === 'stale_epoch') set(next, { sends, epoch: next.redis.epoch }, 'reads the epoch');
    else if (word === 'stale_rules')
      set(next, { sends, known: next.redis.updates }, 'reads how many changes there are');
    else if (word === 'done') set(next, { step: 'told' }, 'is told done');
    else set(next, { step: 'refused' }, `is told ${word}`);
    if (state.faults === 0) return;
    const faulty = { ...state, faults: state.faults - 1 };
    const copied = { ...faulty, wire: [...state.wire, message] };
    set(copied, { step: 'gave up' }, 'gives up, and its call is under way');
    set({ ...next, faults: faulty.faults }, { step: 'gave up' }, `hears no reply, which was ${word}`);
    set(
      { ...next, faults: faulty.faults, wire: copied.wire },
      word === 'done' ? { step: 'told' } : { step: 'refused' },
      `is told ${word}, and a copy is under way`,
    );
  };

  /** Under the definition of the opening. */
  const rebuild = (state: State, emit: Emit<State>) => {
    const { redis, rebuilds } = state;
    if (redis.building) emit({ ...state, redis: { ...redis, building: false } }, 'the rebuild is done');
    if (rebuilds === 0 || redis.building) return;
    const rest = rules.rebuildKeeps ? {} : { value: 0, limit: 1 };
    const begun = { ...redis, ...rest, epoch: redis.epoch + 1, building: true };
    emit({ ...state, rebuilds: rebuilds - 1, redis: begun }, 'a rebuild begins');
  };

  /** reserve, whose batch is as large as the limit allows. */
  const take = (state: State, emit: Emit<State>) => {
    const { redis, process } = state;
    if (redis.building) return;
    const stale = process.epoch !== redis.epoch || (process.limit !== redis.limit && rules.namesTheLimit);
    if (stale)
      emit({ ...state, process: { ...process, epoch: redis.epoch, limit: redis.limit } }, 'a process reads the rules');
    else if (process.took === 'nothing' || process.limit !== redis.limit) {
      const took = process.limit === redis.limit ? 'rightly' : 'by an old limit';
      emit({ ...state, process: { ...process, took } }, 'a process takes');
    }
  };

  const broken = ({ redis, times, largest, process, undone }: State): string | null => {
    if (times.some((count) => count > 1)) return 'once: a change was made twice';
    if (undone) return 'late: a call whose caller gave up undid a change that was told';
    if (redis.limit < largest) return 'limit: it fell, and grants above it are not looked at';
    if (process.took === 'by an old limit') return 'seen: a call was served by rules that do not hold any more';
    const last = redis.made.findLast((by) => changes[by]!.value !== null);
    if (redis.value !== (last === undefined ? 0 : changes[last]!.value)) return 'kept: a change that was made is gone';
    return null;
  };

  return { first, steps, broken };
}

const moves = (value: number): Change => ({ value, limit: null });
const raises = (limit: number): Change => ({ value: null, limit });
const configurations = {
  'one change and two faults': [[moves(5)], 2, 0],
  'two changes of the window at once': [[moves(5), moves(7)], 2, 0],
  'two rises at once': [[raises(3), raises(2)], 2, 0],
  'a change and a rebuild': [[{ value: 5, limit: 2 }], 2, 1],
  'two changes and a rebuild': [[moves(5), { value: 7, limit: 2 }], 2, 1],
} as const satisfies Record<string, Configuration>;

export const UPDATES: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => updates(rules, configurations[name]) as Model<unknown>,
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['idIsKept', 'once', 'one change and two faults'],
    ['namesWhatItFollows', 'late', 'two changes of the window at once'],
    ['neverFalls', 'limit', 'two rises at once'],
    ['rebuildKeeps', 'limit', 'a change and a rebuild'],
    ['namesTheLimit', 'seen', 'two rises at once'],
  ],
};
