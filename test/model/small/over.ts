import type { Part } from './part.js';
import type { Emit, Model } from './search.js';

/** What is remembered of campaigns that are over, under one id that is used again and again. */
const RULES = {
  noteIsKept: 'a campaign that is over is noted',
  dueOnly: 'a campaign is over by its note only once its keys were to expire',
  openDrops: 'an opening drops the note of an earlier campaign before its own serves',
  rebuildDrops: 'a rebuild drops the note of an earlier campaign',
  dropsOnceBegun: 'a rebuild drops it once its own state is there',
  closedStays: 'a rebuild of what is left of a closed campaign leaves its note',
  noteFirst: 'the note is read before the look at the campaign that is made',
  dropNames: 'a drop names the note that was read',
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
  readonly makers: readonly Maker[];
  /** A drop that was sent twice, and arrives once more. */
  readonly copy: Pick<Maker, 'life' | 'read'> | null;
}

type Step = 'ready' | 'write' | 'find' | 'look' | 'drop' | 'serve' | 'done';

interface Maker {
  readonly kind: 'open' | 'rebuild';
  readonly step: Step;
  readonly life: number;
  /** What was noted when it read. */
  readonly read: string;
}

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
    makers: kinds.map((kind) => ({ kind, step: 'ready', life: 0, read: '' })),
    copy: null,
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
    if (state.copy) emit({ ...dropped(state, state.copy), copy: null }, 'the copy of a drop arrives');
    state.makers.forEach((maker, m) => {
      const set: Set = (next, step, life, why, read = maker.read) => {
        emit({ ...next, makers: next.makers.with(m, { ...maker, step, life, read }) }, `${maker.kind}${m} ${why}`);
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
      const left = campaign?.life === life && campaign.serves ? null : campaign;
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

  const isNoted = ({ over: note, since }: State) => (note ? `of ${note.life}` : `dropped at ${since}`);

  /** drop-over: it remembers when. What is noted of the campaign itself, or of a later one, was to stay. */
  const dropped = (state: State, { life, read }: Pick<Maker, 'life' | 'read'>): State => {
    if (rules.dropNames && isNoted(state) !== read) return state;
    const noted = state.over && state.over.life >= life ? state.last.noted : '';
    return { ...state, over: null, since: state.now, last: { ...state.last, noted } };
  };

  type Set = (next: State, step: Step, life: number, why: string, read?: string) => void;

  const open = (state: State, maker: Maker, set: Set) => {
    const { step } = maker;
    const { campaign } = state;
    if (step === 'ready') {
      if (!campaign && !(isOver(state) && !state.over!.purged)) set(state, 'write', 0, 'finds no campaign');
    } else if (step === 'write') {
      if (campaign) return set(state, 'done', 0, 'finds one');
      const written = { life: state.lives + 1, serves: false, closed: false };
      const next = rules.openDrops ? BEFORE_DROP : 'serve';
      set({ ...state, campaign: written, lives: written.life }, next, written.life, 'writes one');
    } else drop(state, maker, set);
  };

  /** The note and the campaign are read, in this order; then the note is dropped. Another one may have arrived in between. */
  const BEFORE_DROP = rules.noteFirst ? 'find' : 'look';
  const drop = (state: State, maker: Maker, set: Set) => {
    const { step, life } = maker;
    if (step === 'find') set(state, rules.noteFirst ? 'look' : 'drop', life, 'reads the note', isNoted(state));
    else if (step === 'look') {
      const isOwn = state.campaign?.life === life && !state.campaign.serves;
      const stays = rules.closedStays && state.campaign?.closed === true;
      const next = rules.noteFirst ? 'drop' : 'find';
      set(state, isOwn && !stays ? next : 'serve', life, 'looks at the campaign');
    } else if (step === 'drop') {
      const after = dropped(state, maker);
      if (after === state) return set(state, BEFORE_DROP, life, 'names another note');
      set(after, 'serve', life, 'drops the note');
      const { read } = maker;
      if (!state.copy) set({ ...after, copy: { life, read } }, 'serve', life, 'drops the note, and sends that twice');
    } else if (step === 'serve') serve(state, life, set);
  };

  const serve = (state: State, life: number, set: Set) => {
    const { campaign } = state;
    if (campaign?.life !== life || campaign.serves) return set(state, 'done', 0, 'is overtaken');
    if (campaign.closed) {
      // Its keys expire as they were to; if that instant is past, now.
      const { past, last } = state;
      const left = past.includes(life) ? null : { ...campaign, serves: true };
      const next = { ...last, end: left ? ('no' as const) : ('expired' as const) };
      return set({ ...state, campaign: left, last: next }, 'done', 0, 'lets the closed one be');
    }
    const last = { life, end: 'no', noted: '' } as const;
    set({ ...state, campaign: { ...campaign, serves: true }, last }, 'done', 0, 'lets it serve');
  };

  /** Of what is there, or of nothing. A campaign that was closed stays the one that it is. */
  const rebuild = (state: State, maker: Maker, set: Set) => {
    const { step } = maker;
    if (step === 'ready') {
      const early = rules.rebuildDrops && !rules.dropsOnceBegun;
      const next = early ? dropped(state, { life: state.lives + 1, read: isNoted(state) }) : state;
      set(next, 'write', 0, 'begins');
    } else if (step === 'write') {
      const { campaign, lives } = state;
      const built = campaign?.closed
        ? { ...campaign, serves: false }
        : { life: lives + 1, serves: false, closed: false };
      const next = { ...state, campaign: built, lives: Math.max(lives, built.life) };
      set(next, rules.rebuildDrops && rules.dropsOnceBegun ? BEFORE_DROP : 'serve', built.life, 'names an epoch');
    } else drop(state, maker, set);
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
    ['closedStays', 'closed', 'a rebuild'],
    ['noteFirst', 'closed', 'two openings after the end'],
    ['dropNames', 'closed', 'an opening after the end'],
  ],
};
