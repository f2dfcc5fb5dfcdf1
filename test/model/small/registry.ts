import type { Part } from './part.js';
import type { Emit, Model } from './search.js';

/** The entry of an id that is opened anew while others strike off its earlier campaign. */
const RULES = {
  namesMark: 'an entry is struck off by the mark of its registration alone',
  markFirst: 'the mark is read before the earlier campaign is found to be gone',
  registersAgain: 'an opening registers again, once it dropped the note of the earlier campaign',
  beforeServing: 'it registers again before the campaign serves',
} as const;

type Rule = keyof typeof RULES;
type Kind = 'open' | 'purge' | 'settle';
type Step = 'ready' | 'write' | 'drop' | 'again' | 'serve' | 'note' | 'forget' | 'done';

interface Actor {
  readonly kind: Kind;
  readonly step: Step;
  readonly mark: number | null;
  /** The drops before it removed the keys: a later drop makes its note a late one. */
  readonly drops: number;
}

interface State {
  readonly campaign: 'none' | 'written' | 'serves';
  readonly mark: number | null;
  readonly marks: number;
  readonly isOver: boolean;
  readonly drops: number;
  readonly actors: readonly Actor[];
}

function registry(rules: Record<Rule, boolean>, kinds: readonly Kind[]): Model<State> {
  const actors = kinds.map((kind): Actor => ({ kind, step: 'ready', mark: null, drops: 0 }));
  const first: State = { campaign: 'serves', mark: 1, marks: 1, isOver: false, drops: 0, actors };

  const registered = (state: State): State => ({ ...state, mark: state.marks + 1, marks: state.marks + 1 });
  const struckOff = (state: State, mark: number | null): State =>
    !rules.namesMark || state.mark === mark ? { ...state, mark: null } : state;

  type Set = (next: State, to: Partial<Actor>, why: string) => void;

  const open = (state: State, { step }: Actor, set: Set) => {
    const again = rules.registersAgain ? 'again' : 'serve';
    if (step === 'ready' && state.campaign === 'none') set(registered(state), { step: 'write' }, 'registers');
    else if (step === 'write') {
      if (state.campaign !== 'none') set(state, { step: 'done' }, 'finds one');
      else set({ ...state, campaign: 'written' }, { step: 'drop' }, 'writes one');
    } else if (step === 'drop') {
      const next = { ...state, isOver: false, drops: state.drops + 1 };
      set(next, { step: rules.beforeServing ? again : 'serve' }, 'drops the note');
    } else if (step === 'serve') {
      const serves = { ...state, campaign: state.campaign === 'none' ? 'none' : 'serves' } as const;
      set(serves, { step: rules.beforeServing ? 'done' : 'again' }, 'lets it serve');
    } else if (step === 'again') {
      set(registered(state), { step: rules.beforeServing ? 'serve' : 'done' }, 'registers again');
    }
  };

  const purge = (state: State, actor: Actor, set: Set) => {
    const { step, mark } = actor;
    if (step === 'ready') set(state, { step: 'write', mark: state.mark }, 'reads the mark');
    else if (step === 'write') {
      if (state.campaign === 'serves')
        set({ ...state, campaign: 'none' }, { step: 'note', drops: state.drops }, 'removes it');
    } else if (step === 'note') {
      const isLate = state.drops > actor.drops;
      const late = rules.markFirst ? {} : { mark: state.mark };
      set(isLate ? state : { ...state, isOver: true }, { step: 'forget', ...late }, 'notes that it is over');
    } else if (step === 'forget') set(struckOff(state, mark), { step: 'done' }, 'strikes it off');
  };

  const settle = (state: State, { step, mark }: Actor, set: Set) => {
    if (step === 'ready' && rules.markFirst) set(state, { step: 'note', mark: state.mark }, 'reads the mark');
    else if (step === 'ready' && state.isOver) set(state, { step: 'note' }, 'finds that it is over');
    else if (step === 'note' && !rules.markFirst) set(state, { step: 'forget', mark: state.mark }, 'reads the mark');
    else if (step === 'note') set(state, { step: state.isOver ? 'forget' : 'done' }, 'reads the note');
    else if (step === 'forget') set(struckOff(state, mark), { step: 'done' }, 'strikes it off');
  };

  const steps = (state: State, emit: Emit<State>) => {
    state.actors.forEach((actor, i) => {
      const set: Set = (next, to, why) => {
        emit({ ...next, actors: next.actors.with(i, { ...actor, ...to }) }, `${actor.kind}${i} ${why}`);
      };
      if (actor.step === 'done') return;
      if (actor.step !== 'ready') set(state, { step: 'done' }, 'dies');
      ({ open, purge, settle })[actor.kind](state, actor, set);
    });
  };

  const broken = ({ campaign, mark }: State): string | null =>
    campaign === 'serves' && mark === null ? 'registered: a campaign serves, and no worker knows of it' : null;

  return { first, steps, broken };
}

const configurations = {
  'an opening beside a purge': ['purge', 'open'],
  'an opening beside a purge and a settler': ['purge', 'settle', 'open'],
  'two openings beside two purges and a settler': ['purge', 'purge', 'settle', 'open', 'open'],
} as const;

export const REGISTRY: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => registry(rules, configurations[name]) as Model<unknown>,
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['namesMark', 'registered', 'an opening beside a purge'],
    ['markFirst', 'registered', 'an opening beside a purge and a settler'],
    ['registersAgain', 'registered', 'an opening beside a purge and a settler'],
    ['beforeServing', 'registered', 'an opening beside a purge and a settler'],
  ],
};
