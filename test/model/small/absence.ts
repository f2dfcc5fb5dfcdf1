import type { Part } from './part.js';
import type { Emit, Model } from './search.js';

/** Users in a line, processes that watch for them, and the sweep of those who are absent. */
const RULES = {
  sweepWaits: 'the sweep judges as of the earliest instant that a process says',
  firstRoundIsOver: 'before its first round is over a process says 0',
  earliestLook: 'a process says the earliest look of its last whole round',
  wholeRounds: 'of a round with a failed look nothing follows',
  newcomersCount: 'after a failed look for a newcomer a process says 0',
  newcomersAreAwaited: 'a round is over once the newcomers of that time were looked for as well',
  entriesLast: 'what a process said outlasts two looks',
  entriesEnd: 'what a process said ends by itself',
  deadAreForgotten: 'who does not look any more is waited for no longer',
} as const;

type Rule = keyof typeof RULES;

/** Of `presenceMs`: the unit of time. */
const PRESENCE = 1;

interface User {
  /** The last sign of life; null: out of the line. */
  readonly seen: number | null;
  readonly process: number;
  readonly watched: boolean;
  /** Was not absent for too long when the process began to watch. */
  readonly inTime: boolean;
  /** Redis has heard of the process that watches for this user since it does. */
  readonly known: boolean;
}

interface Process {
  readonly lives: boolean;
  readonly since: number;
  readonly earliest: number;
  /** Users whose look in this round is not answered yet. */
  readonly open: readonly number[];
  readonly sent: readonly number[];
  readonly failed: boolean;
  /** For newcomers, so that its round is over. */
  readonly waits: boolean;
}

/** A look under way. `at`: when Redis ran it. */
interface Look {
  readonly process: number;
  readonly user: number;
  readonly since: number;
  readonly round: boolean;
  readonly at: number | null;
}

interface State {
  readonly now: number;
  readonly users: readonly User[];
  readonly processes: readonly Process[];
  readonly entries: readonly ({ readonly from: number; readonly until: number } | null)[];
  readonly looks: readonly Look[];
  /** Calls that may run once more, after their sender gave up. */
  readonly ghosts: readonly Look[];
  readonly faults: number;
  readonly swept: string | null;
}

interface Bounds {
  /** Which process watches for each user, and who begins to only later. */
  readonly users: readonly { readonly process: number; readonly later: boolean }[];
  readonly processes: number;
  readonly mortal: readonly number[];
  readonly faults: number;
  readonly until: number;
}

const NEVER = 99;

function absence(rules: Record<Rule, boolean>, bounds: Bounds): Model<State> {
  const keep = rules.entriesLast ? 4 * PRESENCE : PRESENCE;
  const first: State = {
    now: 1,
    users: bounds.users.map(({ process, later }) => ({
      seen: 1,
      process,
      watched: !later,
      inTime: !later,
      known: false,
    })),
    processes: Array(bounds.processes).fill({
      lives: true,
      since: 0,
      earliest: NEVER,
      open: [],
      sent: [],
      failed: false,
      waits: false,
    }),
    entries: Array(bounds.processes).fill(null),
    looks: [],
    ghosts: [],
    faults: bounds.faults,
    swept: null,
  };

  const change = (state: State, p: number, by: Partial<Process>): State => ({
    ...state,
    processes: state.processes.with(p, { ...state.processes[p]!, ...by }),
  });

  const watchedBy = (state: State, p: number): number[] =>
    state.users.flatMap(({ process, watched, seen }, u) => (process === p && watched && seen !== null ? [u] : []));

  const steps = (state: State, emit: Emit<State>) => {
    state.processes.forEach((process, p) => {
      if (process.lives) live(state, p, emit);
    });
    state.looks.forEach((look, at) => {
      answer(state, look, at, emit);
    });
    state.ghosts.forEach((look, at) => {
      emit(run({ ...state, ghosts: state.ghosts.toSpliced(at, 1) }, look), `a copy of P${look.process}'s look runs`);
    });
    const swept = sweep(state);
    if (swept !== state) emit(swept, 'the sweep');
    // A process that lives reaches Redis before what it said ends.
    const isLate = state.entries.some(
      (entry, p) => entry && state.processes[p]!.lives && reaches(entry.until, state.now),
    );
    if (state.now < bounds.until && !isLate) emit({ ...state, now: state.now + 1 }, `it is ${state.now + 1}`);
  };

  const reaches = (until: number, now: number) => rules.entriesLast && until <= now + 1;

  const live = (state: State, p: number, emit: Emit<State>) => {
    const process = state.processes[p]!;
    const { open, sent, since } = process;
    if (bounds.mortal.includes(p)) {
      const looks = state.looks.filter(({ process: of }) => of !== p);
      const dead = change({ ...state, looks }, p, {
        lives: false,
        open: [],
        sent: [],
        since: 0,
        earliest: 0,
        failed: false,
        waits: false,
      });
      emit(dead, `P${p} dies`);
    }
    if (open.length === 0 && !process.waits) {
      const all = watchedBy(state, p);
      if (all.length > 0) {
        emit(change(state, p, { open: all, sent: [], earliest: NEVER, failed: false }), `P${p} begins a round`);
      }
    }
    for (const u of open.filter((one) => !sent.includes(one))) {
      const look = { process: p, user: u, since, round: true, at: null };
      emit(
        { ...change(state, p, { sent: [...sent, u].sort() }), looks: [...state.looks, look] },
        `P${p} looks for user${u}`,
      );
    }
    state.users.forEach((user, u) => {
      if (user.process !== p || user.watched || user.seen === null) return;
      const inTime = state.now - user.seen <= 2 * PRESENCE;
      const users = state.users.with(u, { ...user, watched: true, inTime });
      const look = { process: p, user: u, since, round: false, at: null };
      emit({ ...state, users, looks: [...state.looks, look] }, `P${p} begins to watch for user${u}`);
    });
  };

  /** find-places: a sign of life, and since when all of this process have been seen. */
  const run = (state: State, { process, user, since }: Look): State => {
    const { now } = state;
    const from = since === 0 && !rules.firstRoundIsOver ? now : since;
    const users = state.users.map((of, u) => {
      const known = of.known || (of.process === process && of.watched && (u === user || of.inTime));
      return { ...of, known, seen: of.seen !== null && u === user ? now : of.seen };
    });
    const until = rules.entriesEnd ? now + keep : NEVER;
    return { ...state, users, entries: state.entries.with(process, { from, until }) };
  };

  const answer = (state: State, look: Look, at: number, emit: Emit<State>) => {
    const { process: p, user, round } = look;
    const who = `P${p}'s look for user${user}`;
    const process = state.processes[p]!;
    const rest = { ...state, looks: state.looks.toSpliced(at, 1) };
    if (look.at === null) {
      const done = run(state, look);
      emit({ ...done, looks: state.looks.with(at, { ...look, at: state.now }) }, `${who} runs`);
    } else {
      const best = rules.earliestLook ? Math.min : (a: number, b: number) => (a === NEVER ? b : Math.max(a, b));
      emit(ended(change(rest, p, { earliest: best(process.earliest, look.at) }), p, look), `${who} is answered`);
    }
    if (state.faults === 0) return;
    const fewer = { ...rest, faults: state.faults - 1 };
    const failing: Partial<Process> = round
      ? { failed: rules.wholeRounds }
      : rules.newcomersCount
        ? { since: 0, earliest: 0 }
        : {};
    const failed = ended(change(fewer, p, failing), p, look);
    emit(failed, `${who} fails`);
    if (look.at === null) emit({ ...failed, ghosts: [...failed.ghosts, look] }, `${who} is late`);
  };

  /** The last answer of a round ends it. */
  const ended = (state: State, p: number, { user, round }: Look): State => {
    const { open, sent, earliest, failed, since } = state.processes[p]!;
    const left = open.filter((one) => one !== user);
    if (round && left.length > 0) return change(state, p, { open: left, sent: sent.filter((one) => one !== user) });
    const welcomes = state.looks.some((look) => look.process === p && !look.round);
    if (round ? rules.newcomersAreAwaited && welcomes : !state.processes[p]!.waits || welcomes) {
      return round ? change(state, p, { open: [], sent: [], waits: true }) : state;
    }
    const counts = !failed && earliest !== NEVER;
    const over = { open: [], sent: [], earliest: NEVER, failed: false, waits: false };
    return change(state, p, { ...over, since: counts ? earliest : since });
  };

  /** tend-line, in a line that is swept regularly. */
  const sweep = (state: State): State => {
    const { now } = state;
    let since = now;
    for (const entry of state.entries) {
      const ends = entry && rules.deadAreForgotten ? entry.until : NEVER;
      if (entry && ends > now && rules.sweepWaits) since = Math.min(since, entry.from);
    }
    const before = since - 2 * PRESENCE;
    let swept: string | null = null;
    const users = state.users.map((user, u) => {
      if (user.seen === null || user.seen >= before) return user;
      if (user.watched && user.known && state.processes[user.process]!.lives) swept = `user${u}`;
      return { ...user, seen: null };
    });
    return users.some((user, u) => user !== state.users[u]) ? { ...state, users, swept } : state;
  };

  /** From here on nothing fails: every round is whole, and the line is swept often. */
  const heal = (healing: State): State => {
    let state: State = { ...healing, looks: [], ghosts: [] };
    for (let i = 0; i < 12; i++) {
      state = { ...state, now: state.now + 1 };
      for (const [p, { lives }] of state.processes.entries()) {
        if (!lives) continue;
        const { since } = state.processes[p]!;
        for (const user of watchedBy(state, p)) {
          state = run(state, { process: p, user, since, round: true, at: null });
        }
        state = change(state, p, { since: state.now });
      }
      state = sweep(state);
    }
    return state;
  };

  const broken = (state: State): string | null => {
    if (state.swept) return `watched: the place of ${state.swept} is lost, for whom a process that lives watches`;
    if (!state.processes.some(({ lives }) => !lives)) return null;
    const healed = heal(state);
    const left = healed.users.findIndex(({ seen, process }) => seen !== null && !healed.processes[process]!.lives);
    return left < 0 ? null : `absent: user${left} keeps a place for ever though the process that watched is dead`;
  };

  return { first, steps, broken };
}

const configurations = {
  'one process with two users': {
    users: [
      { process: 0, later: false },
      { process: 0, later: false },
    ],
    processes: 1,
    mortal: [],
    faults: 1,
    until: 8,
  },
  'a newcomer': {
    users: [
      { process: 0, later: false },
      { process: 0, later: true },
    ],
    processes: 1,
    mortal: [],
    faults: 1,
    until: 7,
  },
  'a process that stalls beside one that dies': {
    users: [
      { process: 0, later: false },
      { process: 1, later: false },
    ],
    processes: 2,
    mortal: [1],
    faults: 1,
    until: 6,
  },
} satisfies Record<string, Bounds>;

export const ABSENCE: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => absence(rules, configurations[name]) as Model<unknown>,
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['sweepWaits', 'watched', 'one process with two users'],
    ['firstRoundIsOver', 'watched', 'one process with two users'],
    ['earliestLook', 'watched', 'one process with two users'],
    ['wholeRounds', 'watched', 'one process with two users'],
    ['newcomersCount', 'watched', 'a newcomer'],
    ['newcomersAreAwaited', 'watched', 'a newcomer'],
    ['entriesLast', 'watched', 'one process with two users'],
    ['entriesEnd', 'absent', 'a process that stalls beside one that dies'],
    ['deadAreForgotten', 'absent', 'a process that stalls beside one that dies'],
  ],
};
