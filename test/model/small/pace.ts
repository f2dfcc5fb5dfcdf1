import type { Part } from './part.js';
import type { Emit, Model } from './search.js';

/** Changes of the pace: operators in several processes, copies, openings, rebuilds, losses, and workers that claim by it. */
const RULES = {
  namesTheLast: 'a change names the last one that its caller knows of',
  noteOfSame: 'a change that changes nothing is noted as well',
  namesAnInstant: 'a change is known by the instant at which it was made, and not by a count',
  laterThanTheLast: 'the instant of a change is later than that of the last one, whatever the clock says',
  namesTheEpoch: 'a change names the epoch that its caller knows',
  namesNoNewEpoch: 'a change names no epoch whose state was not seen to serve',
  leavesTheRest: 'a change leaves the fields that it does not name',
  openGivesFirst: 'an opening of a campaign that is there sets no pace',
  rebuildKeeps: 'a rebuild keeps the pace that Redis remembers',
  rebuildKeepsUse: 'a rebuild keeps up to when the pace is used up',
  readsAtClaim: 'the script that claims reads the pace',
  sharesTheCap: 'all workers use up one cap',
  savesUpLittle: 'a cap that nobody uses saves up little',
} as const;

type Rule = keyof typeof RULES;

/** Ticks between two saves, and between two admissions; 0 is no cap. */
interface Pace {
  readonly saves: number;
  readonly admits: number;
}

type Change = Partial<Pace>;

interface Message {
  readonly by: number;
  readonly epoch: number;
  /** The instant of the change that it follows. */
  readonly follows: number;
  /** How many changes were told by then. */
  readonly toldBefore: number;
}

interface Redis {
  readonly epoch: number;
  readonly state: 'serving' | 'building' | 'gone';
  readonly pace: Pace;
  readonly pacedAt: number;
  /** The tick up to which the cap is used up, for all or for each worker. */
  readonly used: readonly number[];
}

interface State {
  readonly redis: Redis;
  /** A copy of Redis that may come back. `none`: not taken yet, or put back. */
  readonly copy: { readonly redis: Redis; readonly should: Pace } | 'none';
  readonly operators: readonly {
    readonly step: 'ready' | 'waits' | 'told' | 'refused' | 'gave up';
    readonly epoch: number;
    readonly follows: number;
    readonly sends: number;
  }[];
  /** Calls under way: each may arrive at any time, or never. */
  readonly wire: readonly Message[];
  /** The changes that somebody was told of, in order; `REBUILT` is the pace of a campaign that was made again. */
  readonly told: readonly number[];
  /** The pace by all changes that were made, in their order. */
  readonly should: Pace;
  readonly clock: number;
  readonly left: Left;
  /** The pace that each worker saw at its last look. */
  readonly seen: readonly number[];
  readonly tick: number;
  /** Ticks at which a worker claimed, and the shortest distance that held at some time in each tick. */
  readonly claims: readonly number[];
  readonly held: readonly number[];
  /** A call whose caller gave up undid a change that was told after it had left. */
  readonly undone: boolean;
}

/** How often each thing may still happen. */
interface Left {
  readonly faults: number;
  readonly rebuilds: number;
  readonly losses: number;
  readonly rollbacks: number;
  readonly setBacks: number;
  readonly opens: number;
  readonly claims: number;
}

type Configuration = readonly [changes: readonly Change[], left: Partial<Left>];

const NOTHING: Left = { faults: 0, rebuilds: 0, losses: 0, rollbacks: 0, setBacks: 0, opens: 0, claims: 0 };
/** The pace of the definition. */
const FIRST: Pace = { saves: 2, admits: 2 };
const MOST_SENDS = 4;
const LAST_TICK = 4;
const WORKERS = [0, 1];
const REBUILT = -1;

function paces(rules: Record<Rule, boolean>, [changes, left]: Configuration): Model<State> {
  const first: State = {
    redis: { epoch: 1, state: 'serving', pace: FIRST, pacedAt: 0, used: [0, 0] },
    copy: 'none',
    operators: changes.map(() => ({ step: 'ready', epoch: 1, follows: 0, sends: 0 })),
    wire: [],
    told: [],
    should: FIRST,
    clock: 1,
    left: { ...NOTHING, ...left },
    seen: WORKERS.map(() => FIRST.saves),
    tick: LAST_TICK / 2,
    claims: [],
    held: Array.from({ length: LAST_TICK + 1 }, () => FIRST.saves),
    undone: false,
  };

  const holds = (state: State): State => {
    const at = state.held[state.tick]!;
    return { ...state, held: state.held.with(state.tick, Math.min(at, state.redis.pace.saves)) };
  };

  /** set-pace: the state after it, and its reply. */
  const run = (state: State, { by, epoch, follows, toldBefore }: Message): { next: State; word: string } => {
    const { redis } = state;
    const change = changes[by]!;
    if (redis.state !== 'serving') return { next: state, word: redis.state };
    if (rules.namesTheEpoch && epoch !== redis.epoch) return { next: state, word: 'stale_epoch' };
    if (rules.namesTheLast && follows !== redis.pacedAt) return { next: state, word: 'lapsed' };
    const pace = rules.leavesTheRest ? { ...redis.pace, ...change } : { saves: 0, admits: 0, ...change };
    const same = pace.saves === redis.pace.saves && pace.admits === redis.pace.admits;
    const later = rules.laterThanTheLast ? Math.max(state.clock, redis.pacedAt + 1) : state.clock;
    const instant = rules.namesAnInstant ? later : redis.pacedAt + 1;
    const pacedAt = same && !rules.noteOfSame ? redis.pacedAt : instant;
    const should = { ...state.should, ...change };
    // What somebody was told since it left, it may not touch.
    const late = state.told
      .slice(toldBefore)
      .some((one) => one !== by && Object.keys(changes[one] ?? FIRST).some((name) => name in change));
    const clock = state.clock + 1;
    const next = { ...state, redis: { ...redis, pace, pacedAt }, should, clock, undone: state.undone || late };
    return { next: holds(next), word: 'done' };
  };

  const steps = (state: State, emit: Emit<State>) => {
    for (const by of state.operators.keys()) operate(state, by, emit);
    state.wire.forEach((message, at) => {
      const rest = { ...state, wire: state.wire.toSpliced(at, 1) };
      emit(run(rest, message).next, `a call of change ${message.by} arrives late`);
    });
    makeAgain(state, emit);
    lose(state, emit);
    work(state, emit);
  };

  const known = ({ redis }: State) => (redis.state === 'serving' || !rules.namesNoNewEpoch ? redis.epoch : 0);

  const operate = (state: State, by: number, emit: Emit<State>) => {
    const operator = state.operators[by]!;
    const set = (next: State, change: Partial<typeof operator>, why: string) => {
      const told = change.step === 'told' ? [...next.told, by] : next.told;
      emit({ ...next, told, operators: next.operators.with(by, { ...operator, ...change }) }, `operator ${by} ${why}`);
    };
    if (operator.step === 'ready') set(state, { step: 'waits', epoch: known(state) }, 'begins');
    if (operator.step === 'gave up')
      set(state, { step: 'waits', sends: 0, follows: 0, epoch: known(state) }, 'repeats it');
    if (operator.step !== 'waits' || operator.sends >= MOST_SENDS) return;
    const { epoch, follows } = operator;
    const message = { by, epoch, follows, toldBefore: state.told.length };
    const { next, word } = run(state, message);
    const sends = operator.sends + 1;
    if (word === 'stale_epoch') set(next, { sends, epoch: next.redis.epoch }, 'reads the epoch');
    else if (word === 'lapsed') set(next, { sends, follows: next.redis.pacedAt }, 'reads the last change');
    else set(next, { step: word === 'done' ? 'told' : 'refused' }, `is told ${word}`);
    if (state.left.faults === 0) return;
    const fewer = { ...state.left, faults: state.left.faults - 1 };
    const wire = [...state.wire, message];
    set({ ...state, left: fewer, wire }, { step: 'gave up' }, 'gives up, and its call is under way');
    set({ ...next, left: fewer }, { step: 'gave up' }, `hears no reply, which was ${word}`);
    if (word === 'done') set({ ...next, left: fewer, wire }, { step: 'told' }, 'is told done, and a copy is under way');
  };

  /** Openings and rebuilds, under the definition of that night. */
  const makeAgain = (state: State, emit: Emit<State>) => {
    const { redis, left } = state;
    if (left.opens > 0 && redis.state === 'serving') {
      const pace = rules.openGivesFirst ? redis.pace : FIRST;
      emit(holds({ ...state, redis: { ...redis, pace }, left: { ...left, opens: left.opens - 1 } }), 'it is opened');
    }
    if (redis.state === 'building') {
      const done = { ...state, redis: { ...redis, state: 'serving' as const }, told: [...state.told, REBUILT] };
      emit(done, 'the rebuild is done');
    }
    if (left.rebuilds === 0 || redis.state === 'building') return;
    const made = {
      ...redis,
      epoch: state.operators.reduce((most, { epoch }) => Math.max(most, epoch), redis.epoch) + 1,
    };
    const isGone = redis.state === 'gone';
    const pace = rules.rebuildKeeps && !isGone ? redis.pace : FIRST;
    const used = rules.rebuildKeepsUse && !isGone ? redis.used : [0, 0];
    const begun: Redis = { ...made, state: 'building', pace, used, pacedAt: isGone ? 0 : redis.pacedAt };
    const rebuilds = left.rebuilds - 1;
    emit(holds({ ...state, redis: begun, left: { ...left, rebuilds } }), 'a rebuild begins');
  };

  /** What was told before is excused: an operator sets it anew. */
  const lose = (state: State, emit: Emit<State>) => {
    const { redis, left, copy, should } = state;
    if (left.losses > 0) {
      const gone: Redis = { ...redis, state: 'gone', pace: FIRST, pacedAt: 0, used: [0, 0] };
      const rest = { ...left, losses: left.losses - 1 };
      emit({ ...state, redis: gone, left: rest, should: FIRST, told: [], wire: timeless(state) }, 'Redis loses it');
    }
    if (left.rollbacks > 0 && copy === 'none') emit({ ...state, copy: { redis, should } }, 'a copy of Redis is kept');
    if (left.rollbacks > 0 && copy !== 'none') {
      const rest = { ...left, rollbacks: left.rollbacks - 1 };
      emit(
        { ...state, ...copy, copy: 'none', left: rest, told: [], wire: timeless(state) },
        'Redis goes back to its copy',
      );
    }
    if (left.setBacks > 0)
      emit({ ...state, clock: 1, left: { ...left, setBacks: left.setBacks - 1 } }, 'the clock of Redis is set back');
  };

  const timeless = ({ wire }: State) => wire.map((message) => ({ ...message, toldBefore: 0 }));

  /** claim-due, one reservation at a time. */
  const work = (state: State, emit: Emit<State>) => {
    const { redis, left, tick, claims, seen } = state;
    if (left.claims === 0 || redis.state !== 'serving') return;
    if (tick < LAST_TICK) emit(holds({ ...state, tick: tick + 1 }), 'time passes');
    for (const worker of WORKERS) {
      if (seen[worker] !== redis.pace.saves)
        emit({ ...state, seen: seen.with(worker, redis.pace.saves) }, `worker ${worker} looks at the pace`);
      const every = rules.readsAtClaim ? redis.pace.saves : seen[worker]!;
      const mine = rules.sharesTheCap ? 0 : worker;
      const saved = rules.savesUpLittle ? tick - every : 0;
      const from = Math.max(redis.used[mine]!, saved);
      if (every > 0 && tick - from < every) continue;
      const used = every > 0 ? redis.used.with(mine, from + every) : redis.used;
      const after = { ...state, redis: { ...redis, used }, claims: [...claims, tick] };
      emit({ ...after, left: { ...left, claims: left.claims - 1 } }, `worker ${worker} claims`);
    }
  };

  const broken = ({ redis, should, undone, claims, held, tick }: State): string | null => {
    if (undone) return 'late: a call whose caller gave up undid a change that was told';
    if (redis.pace.saves !== should.saves || redis.pace.admits !== should.admits)
      return 'holds: a change that was made does not hold, and no later one was made';
    for (const [i, from] of claims.entries()) {
      const shortest = Math.min(...held.slice(from, tick + 1));
      const most = shortest === 0 ? Number.POSITIVE_INFINITY : Math.floor((claims.at(-1)! - from) / shortest) + 1;
      if (claims.length - i > most) return 'fast: workers claimed faster than by the highest pace that held meanwhile';
    }
    return null;
  };

  return { first, steps, broken };
}

const configurations = {
  'two changes at once': [[{ saves: 1 }, { saves: 3, admits: 0 }], { faults: 2, opens: 1 }],
  'three changes, one of them of the same': [[{ saves: 1 }, { saves: 2 }, { admits: 1 }], { faults: 1 }],
  'changes while the clock is set back': [[{ saves: 1 }, { saves: 3 }, { saves: 4 }], { faults: 1, setBacks: 1 }],
  'two changes and a rebuild': [[{ saves: 0 }, { saves: 3, admits: 1 }], { faults: 1, rebuilds: 1 }],
  'a loss and a rebuild': [[{ saves: 1 }, { saves: 3 }], { faults: 1, losses: 1, rebuilds: 1 }],
  'Redis goes back': [[{ saves: 1 }, { saves: 3 }, { saves: 4 }], { faults: 1, rollbacks: 1 }],
  'workers under changes': [[{ saves: 1 }, { saves: 3 }], { claims: 3 }],
  'workers and a rebuild': [[{ saves: 1 }], { claims: 3, rebuilds: 1 }],
} as const satisfies Record<string, Configuration>;

export const PACE: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => paces(rules, configurations[name]) as Model<unknown>,
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['namesTheLast', 'late', 'two changes at once'],
    ['noteOfSame', 'late', 'three changes, one of them of the same'],
    ['namesAnInstant', 'late', 'Redis goes back'],
    ['laterThanTheLast', 'late', 'changes while the clock is set back'],
    ['namesTheEpoch', 'late', 'a loss and a rebuild'],
    ['namesNoNewEpoch', 'late', 'two changes and a rebuild'],
    ['leavesTheRest', 'holds', 'two changes at once'],
    ['openGivesFirst', 'holds', 'two changes at once'],
    ['rebuildKeeps', 'holds', 'two changes and a rebuild'],
    ['rebuildKeepsUse', 'fast', 'workers and a rebuild'],
    ['readsAtClaim', 'fast', 'workers under changes'],
    ['sharesTheCap', 'fast', 'workers under changes'],
    ['savesUpLittle', 'fast', 'workers under changes'],
  ],
};
