import type { Part } from './part.js';
import type { Emit, Model } from './search.js';

/** What is remembered of campaigns that are over, under one id that is used again and again. */
const RULES = {
  noteIsKept: 'a campaign that is over is noted',
  dueOnly: 'a campaign is over by its note only once its keys were to expire',
  openDrops: 'an opening drops the note of an earlier campaign before its own serves',
  rebuildDrops: 'a rebuild drops the note of an earlier campaign',
  dropsOnceBegun: 'a rebuild drops it once its own state is there',
  earlierIsLate: 'a note from before the last drop is refused',
} as const;

type Rule = keyof typeof RULES;

/** `life`: of which campaign it tells. `sentAt`: the clock of Redis when it was closed or purged. */
interface Note {
  readonly life: number;
  readonly purged: boolean;
  readonly sentAt: number;
}

interface State {
  /** Each step takes time. */
  readonly now: number;
  readonly campaign: {
    readonly life: number;
    readonly serves: boolean;
    readonly closed: boolean;
  } | null;
  /** The campaign that served last, how it ended, and whether that was noted. */
  readonly last: { readonly life: number; readonly end: 'no' | 'lost' | 'expired' | 'purged'; readonly noted: string };
  /** The note, and when it was dropped or its campaign closed. */
  readonly over: { readonly life: number; readonly purged: boolean } | null;
  /** Campaigns whose keys are to expire, and those whose were to by now. */
  readonly expiring: readonly number[];
  readonly past: readonly number[];
  readonly since: number;
  readonly notes: readonly Note[];
  readonly lives: number;
  readonly losses: number;
  readonly makers: readonly { readonly kind: 'open' | 'rebuild'; readonly step: Step; readonly life: number }[];
}

type Step = 'ready' | 'write' | 'drop' | 'serve' | 'done';

function over(rules: Record<Rule, boolean>, kinds: readonly ('open' | 'rebuild')[], losses: number): Model<State> {
  const first: State = {
    now: 1,
    campaign: { life: 1, serves: true, closed: false },
    last: { life: 1, end: 'no', noted: '' },
    over: null,
    expiring: [],
    past: [],
    since: 0,
    notes: [],
    lives: 1,
    losses,
    makers: kinds.map((kind) => ({ kind, step: 'ready', life: 0 })),
  };

  /** find-over */
  const isOver = ({ over: note, past }: State) =>
    note !== null && (note.purged || past.includes(note.life) || !rules.dueOnly);

  const steps = (before: State, emit: Emit<State>) => {
    const state = { ...before, now: before.now + 1 };
    end(state, emit);
    state.notes.forEach((note, at) => {
      emit(noted({ ...state, notes: state.notes.toSpliced(at, 1) }, note), `the note of campaign ${note.life} arrives`);
    });
    state.makers.forEach((maker, m) => {
      const set = (next: State, step: Step, life: number, why: string) => {
        emit({ ...next, makers: next.makers.with(m, { ...maker, step, life }) }, `${maker.kind}${m} ${why}`);
      };
      if (maker.kind === 'open') open(state, maker, set);
      else rebuild(state, maker, set);
    });
  };

  /** Close, expiry, purge and loss. A note that was sent may arrive late, or never. */
  const end = (state: State, emit: Emit<State>) => {
    const { campaign, last, now, notes, expiring } = state;
    expiring.forEach((life, at) => {
      const next = { ...state, expiring: expiring.toSpliced(at, 1), past: [...state.past, life] };
      // A state that is missing after that instant is not lost.
      const ended =
        last.life === life
          ? { ...last, end: last.end === 'purged' ? ('purged' as const) : ('expired' as const) }
          : last;
      const left = campaign?.life === life ? null : campaign;
      emit({ ...next, campaign: left, last: ended }, `the keys of campaign ${life} expire`);
    });
    if (!campaign) {
      if (isOver(state) && !state.over!.purged && notes.length < 2) {
        const note = { life: state.over!.life, purged: true, sentAt: now };
        emit({ ...state, notes: [...notes, note] }, 'an operator sets the id free');
      }
      return;
    }
    const gone = (by: 'lost' | 'purged') => (campaign.serves ? { ...last, end: by } : last);
    if (state.losses > 0) {
      emit({ ...state, campaign: null, last: gone('lost'), losses: state.losses - 1 }, 'Redis loses the campaign');
    }
    if (!campaign.serves) return;
    const { life } = campaign;
    if (!campaign.closed) {
      emit({ ...state, campaign: { ...campaign, closed: true } }, 'it is closed');
      const note = { life, purged: false, sentAt: now };
      const closed = { ...campaign, closed: true };
      const next = { ...state, campaign: closed, expiring: [...expiring, life] };
      emit({ ...next, notes: [...notes, note] }, 'it is closed, and will expire');
      return;
    }
    const note = { life, purged: true, sentAt: now };
    emit({ ...state, campaign: null, last: gone('purged'), notes: [...notes, note] }, 'it is purged');
  };

  /** note-over */
  const noted = (state: State, { life, purged, sentAt }: Note): State => {
    if (sentAt < state.since && rules.earlierIsLate) return state;
    if (!rules.noteIsKept) return { ...state, last: { ...state.last, noted: purged ? 'purged' : 'expired' } };
    const last = state.last.life === life ? { ...state.last, noted: purged ? 'purged' : 'expired' } : state.last;
    return { ...state, last, over: { life, purged }, since: Math.max(state.since, sentAt) };
  };

  /** drop-over: it remembers when. */
  const dropped = (state: State): State => ({
    ...state,
    over: null,
    since: state.now,
    last: { ...state.last, noted: '' },
  });

  type Set = (next: State, step: Step, life: number, why: string) => void;
  type Maker = State['makers'][number];

  const open = (state: State, { step, life }: Maker, set: Set) => {
    const { campaign } = state;
    if (step === 'ready') {
      if (!campaign && !(isOver(state) && !state.over!.purged)) set(state, 'write', 0, 'finds no campaign');
    } else if (step === 'write') {
      if (campaign) return set(state, 'done', 0, 'finds one');
      const written = { life: state.lives + 1, serves: false, closed: false };
      set({ ...state, campaign: written, lives: written.life }, 'drop', written.life, 'writes one');
    } else if (step === 'drop') {
      set(rules.openDrops ? dropped(state) : state, 'serve', life, 'drops the note');
    } else if (step === 'serve') serve(state, life, set);
  };

  const serve = (state: State, life: number, set: Set) => {
    const { campaign } = state;
    if (campaign?.life !== life || campaign.serves) return set(state, 'done', 0, 'is overtaken');
    const last = { life, end: 'no', noted: '' } as const;
    set({ ...state, campaign: { ...campaign, serves: true }, last }, 'done', 0, 'lets it serve');
  };

  /** Of what is there, or of nothing. */
  const rebuild = (state: State, { step, life }: Maker, set: Set) => {
    const drop = (next: State) => (rules.rebuildDrops ? dropped(next) : next);
    if (step === 'ready') {
      set(rules.dropsOnceBegun ? state : drop(state), 'write', 0, 'begins');
    } else if (step === 'write') {
      const built = { life: state.lives + 1, serves: false, closed: false };
      const next = { ...state, campaign: built, lives: built.life };
      set(next, rules.dropsOnceBegun ? 'drop' : 'serve', built.life, 'names an epoch');
    } else if (step === 'drop') set(drop(state), 'serve', life, 'drops the note');
    else if (step === 'serve') serve(state, life, set);
  };

  const broken = (state: State): string | null => {
    const { campaign, last } = state;
    if (campaign) return null;
    if (last.end === 'lost' && isOver(state))
      return `lost: campaign ${last.life} is lost, and its calls are told closed`;
    if (last.end === last.noted && !isOver(state)) {
      return `closed: campaign ${last.life} is over and was noted, and its calls are told that it is lost`;
    }
    return null;
  };

  /** Of the clock only the order counts. */
  const key = (state: State): string => {
    const instants = [...new Set([state.since, ...state.notes.map(({ sentAt }) => sentAt)])].sort((a, b) => a - b);
    const notes = state.notes.map((note) => ({ ...note, sentAt: instants.indexOf(note.sentAt) }));
    return JSON.stringify({ ...state, now: 0, since: instants.indexOf(state.since), notes });
  };

  return { first, steps, broken, key };
}

const configurations = {
  'an opening after the end': [['open'], 1],
  'two openings after the end': [['open', 'open'], 1],
  'a rebuild': [['rebuild'], 1],
  'a rebuild and an opening': [['open', 'rebuild'], 1],
  'two rebuilds and two losses': [['rebuild', 'rebuild'], 2],
} as const;

export const OVER: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => over(rules, configurations[name][0], configurations[name][1]) as Model<unknown>,
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['noteIsKept', 'closed', 'an opening after the end'],
    ['dueOnly', 'lost', 'an opening after the end'],
    ['openDrops', 'lost', 'an opening after the end'],
    ['rebuildDrops', 'lost', 'a rebuild and an opening'],
    ['dropsOnceBegun', 'lost', 'a rebuild'],
    ['earlierIsLate', 'lost', 'an opening after the end'],
  ],
};
