import type { Part } from './part.js';
import type { Emit, Model } from './search.js';

/** How a campaign is named in Redis and who remembers what of it: the counter of generations, the clock, openings, rebuilds, bindings, losses. */
const RULES = {
  counted: 'a generation is higher than every one that was handed out before',
  followsTheClock: 'a generation is not below the clock',
  aboveTheKnown: 'a generation is higher than the one that its caller has seen',
  aboveTheRows: 'a rebuild takes over from itself when it meets a row of its own generation or a higher one',
  drawnBeforeServing: 'an opening draws the generation under which it serves after it wrote its state',
  drawnWithoutState: 'a rebuild that began where no state was draws once more',
  drawnAgain: 'a rebuild that was told of another epoch draws once more',
  bindingIsNamed: 'a campaign that is bound anew gets an epoch that no other binding had',
  epochIsNamed: 'a call acts under the epoch that it names',
} as const;

type Rule = keyof typeof RULES;

interface Epoch {
  readonly generation: number;
  readonly random: number;
}

interface Campaign extends Epoch {
  readonly status: 'written' | 'building' | 'serves';
  /** Which making, or binding, this is; no two have the same. */
  readonly life: number;
  /** It went back, and was not made anew since. */
  readonly behind: boolean;
  /** The highest generation that its maker had reason to know of: by the clock, the rows, or its own memory. */
  readonly known: number;
}

interface Redis {
  readonly last: number;
  readonly campaign: Campaign | null;
}

interface Process extends Epoch {
  /** Which life it believes to act in; 0: none yet. */
  readonly life: number;
}

type Kind = 'open' | 'rebuild' | 'bind';
interface Maker {
  readonly kind: Kind;
  readonly step: 'ready' | 'read' | 'draw' | 'write' | 'look' | 'draw again' | 'serve' | 'rows' | 'over';
  readonly process: number;
  /** The epoch that it names. */
  readonly named: Epoch | null;
  readonly generation: number;
  readonly random: number;
  /** The highest generation that it found in Redis or among the rows. */
  readonly met: number;
  /** The same, and what the clock and its memory said when it drew. */
  readonly known: number;
}

/** A call that may run once more at any later time. */
interface Copy {
  readonly op: 'write' | 'serve' | 'begin' | 'bind';
  readonly named: Epoch | null;
  readonly as: Epoch;
  readonly known: number;
}

interface Generations {
  readonly clock: number;
  readonly backs: number;
  readonly redis: Redis;
  readonly replica: Redis | null;
  readonly losses: number;
  readonly purges: number;
  /** The highest generation among the rows. */
  readonly rows: number;
  /** The highest generation that was handed out before the counter was lost. */
  readonly forgotten: number;
  readonly highest: number;
  readonly lives: number;
  readonly randoms: number;
  readonly processes: readonly Process[];
  readonly makers: readonly Maker[];
  readonly copies: readonly Copy[];
  readonly mayCopy: number;
  readonly wrong: string | null;
}

type Loss = 'everything' | 'campaign' | 'counter' | 'failover';

interface Bounds {
  readonly makers: readonly Kind[];
  readonly processes: number;
  readonly losses: readonly Loss[];
  readonly losing: number;
  readonly purges: number;
  readonly backs: number;
  readonly copies: number;
  /** It serves already, and every process but the last knows it. */
  readonly begun: boolean;
}

const EARLY = 1;
const LATE = 5;
const NOBODY = { generation: 0, random: 0, life: 0 };
const READY = { step: 'ready', process: 0, named: null, generation: 0, random: 0, met: 0, known: 0 } as const;

function generations(rules: Record<Rule, boolean>, bounds: Bounds): Model<Generations> {
  const begun = bounds.begun ? 1 : 0;
  const named = { generation: begun * LATE, random: begun, life: begun };
  const campaign: Campaign = { ...named, status: 'serves', behind: false, known: LATE };
  const first: Generations = {
    clock: LATE,
    backs: bounds.backs,
    redis: { last: begun * LATE, campaign: bounds.begun ? campaign : null },
    replica: null,
    losses: bounds.losing,
    purges: bounds.purges,
    rows: 0,
    forgotten: 0,
    highest: begun * LATE,
    lives: begun,
    randoms: begun,
    processes: [...Array(bounds.processes)].map((_, p) => (p < bounds.processes - 1 ? named : NOBODY)),
    makers: bounds.makers.map((kind) => ({ kind, ...READY })),
    copies: [],
    mayCopy: bounds.copies,
    wrong: null,
  };

  const steps = (state: Generations, emit: Emit<Generations>) => {
    state.processes.forEach((_, p) => {
      act(state, p, emit);
    });
    state.makers.forEach((maker, m) => {
      make(state, maker, m, emit);
    });
    state.copies.forEach((copy, at) => {
      // While its sender still stalls, it is the call itself that is late.
      if (state.makers.some(({ named, random }) => [named?.random, random].includes(copy.as.random))) return;
      const next = { ...state, copies: state.copies.toSpliced(at, 1) };
      emit(run(next, copy).state, `a copy arrives: ${copy.op}`);
    });
    happen(state, emit);
  };

  /** A process reads the campaign and follows its epoch. */
  const follow = (state: Generations, p: number): Generations | 'missing' | 'rolled_back' => {
    const { campaign } = state.redis;
    if (!campaign) return 'missing';
    if (campaign.generation < state.processes[p]!.generation) return 'rolled_back';
    const { generation, random, life } = campaign;
    return { ...state, processes: state.processes.with(p, { generation, random, life }) };
  };

  /** issue(): it names the epoch, and its row carries it. */
  const act = (state: Generations, p: number, emit: Emit<Generations>) => {
    const { campaign } = state.redis;
    const process = state.processes[p]!;
    if (campaign?.status !== 'serves') return;
    if (process.life > 0 && (isSame(process, campaign) || !rules.epochIsNamed)) {
      if (process.life === campaign.life) {
        emit({ ...state, rows: Math.max(state.rows, process.generation) }, `P${p} issues`);
      } else emit({ ...state, wrong: `anew: P${p} acts on a campaign that was made anew` }, `P${p} issues`);
      return;
    }
    const next = follow(state, p);
    if (typeof next !== 'string') emit(next, `P${p} reads the campaign`);
  };

  const draw = (state: Generations, atLeast: number): { state: Generations; generation: number } => {
    const generation = Math.max(
      rules.followsTheClock ? state.clock : 0,
      rules.counted ? state.redis.last + 1 : 0,
      rules.aboveTheKnown ? atLeast : 1,
    );
    const redis = { ...state.redis, last: generation };
    return { state: { ...state, redis, highest: Math.max(state.highest, generation) }, generation };
  };

  const make = (state: Generations, maker: Maker, m: number, emit: Emit<Generations>) => {
    if (maker.step === 'over') return;
    const set = (next: Generations, by: Partial<Maker>, why: string) => {
      const over = by.step === 'over' ? { ...READY, kind: maker.kind } : {};
      emit({ ...next, makers: next.makers.with(m, { ...maker, ...over, ...by }) }, `${maker.kind}${m} ${why}`);
    };
    if (maker.step === 'ready') {
      state.processes.forEach((_, p) => {
        const next = maker.kind === 'rebuild' ? state : follow(state, p);
        if (next === 'rolled_back') return;
        const at = { process: p, random: state.randoms + 1 };
        const named = next === 'missing' ? null : next.redis.campaign;
        const base = { ...(next === 'missing' ? state : next), randoms: state.randoms + 1 };
        if (maker.kind === 'open') {
          if (named?.status === 'serves') return;
          set(base, { ...at, step: named ? 'look' : 'draw' }, `begins in P${p}`);
        } else if (maker.kind === 'rebuild') {
          const { generation, random } = state.processes[p]!;
          set(base, { ...at, step: 'draw', named: generation > 0 ? { generation, random } : null }, `begins in P${p}`);
        } else if (named?.status === 'serves')
          set(base, { ...at, step: 'draw', named: epochOf(named) }, `begins in P${p}`);
      });
      return;
    }
    const { process: p } = maker;
    if (maker.step === 'draw' || maker.step === 'draw again') {
      const least = Math.max(state.processes[p]!.generation, maker.kind === 'rebuild' ? maker.met : 0);
      const drawn = draw(state, least + 1);
      const known = Math.max(maker.met, state.clock, state.processes[p]!.generation);
      const step = maker.step === 'draw' ? 'write' : 'serve';
      set(drawn.state, { step, generation: drawn.generation, known }, `draws ${drawn.generation}`);
      return;
    }
    if (maker.kind === 'open') open(state, maker, set);
    else if (maker.kind === 'rebuild') rebuild(state, maker, set);
    else bind(state, maker, set);
  };

  type Set = (next: Generations, by: Partial<Maker>, why: string) => void;

  const open = (state: Generations, maker: Maker, set: Set) => {
    const { process: p, generation, random, known } = maker;
    if (maker.step === 'write') {
      for (const { next } of send(state, { op: 'write', named: null, as: { generation, random }, known })) {
        set(next, { step: 'look' }, 'writes its state');
      }
    } else if (maker.step === 'look') {
      const next = follow(state, p);
      const campaign = state.redis.campaign;
      if (typeof next === 'string' || campaign?.status === 'serves') return set(state, { step: 'over' }, 'is over');
      const named = epochOf(campaign!);
      set(next, { step: rules.drawnBeforeServing ? 'draw again' : 'serve', named, known }, 'reads its state');
    } else {
      const as = rules.drawnBeforeServing ? { generation, random: state.randoms + 1 } : maker.named!;
      const base = { ...state, randoms: state.randoms + 1 };
      for (const { next } of send(base, { op: 'serve', named: maker.named, as, known })) {
        set(next, { step: 'over' }, 'lets it serve');
      }
    }
  };

  const rebuild = (state: Generations, maker: Maker, set: Set) => {
    const { generation, random, named, known } = maker;
    if (maker.step === 'write') {
      for (const { next, answer } of send(state, { op: 'begin', named, as: { generation, random }, known })) {
        if (answer.word === 'stale') {
          const step = rules.drawnAgain ? 'draw' : 'write';
          const met = Math.max(maker.met, answer.epoch?.generation ?? 0);
          set(next, { named: answer.epoch, step, met }, 'finds another epoch');
        } else if (!named && rules.drawnWithoutState) {
          const met = Math.max(maker.met, answer.epoch!.generation);
          const fresh = { random: state.randoms + 1, named: answer.epoch, met };
          set({ ...next, randoms: state.randoms + 1 }, { ...fresh, step: 'draw' }, 'begins');
        } else set(next, { step: 'rows', named: answer.epoch }, 'has begun');
      }
    } else if (maker.step === 'rows') {
      const { rows } = state;
      if (rows >= named!.generation && rules.aboveTheRows) {
        const by = { step: 'draw', random: state.randoms + 1, met: Math.max(maker.met, rows) } as const;
        return set({ ...state, randoms: state.randoms + 1 }, by, `meets rows of ${rows}`);
      }
      set(state, { step: 'serve', known: Math.max(known, rows) }, 'has read the rows');
    } else {
      const { next } = only(state, { op: 'serve', named, as: named!, known });
      set(next, { step: 'over' }, 'lets it serve');
    }
  };

  const bind = (state: Generations, maker: Maker, set: Set) => {
    const { named, generation, known } = maker;
    const random = rules.bindingIsNamed ? maker.random : named!.random;
    for (const { next } of send(state, { op: 'bind', named, as: { generation, random }, known })) {
      set(next, { step: 'over' }, 'binds it anew');
    }
  };

  /** A call, and the same with a copy of it that stays under way. */
  const send = (state: Generations, copy: Copy) => {
    const { state: next, answer } = run(state, copy);
    const both = [{ next, answer }];
    if (state.mayCopy > 0) {
      both.push({ next: { ...next, copies: [...next.copies, copy], mayCopy: next.mayCopy - 1 }, answer });
    }
    return both;
  };
  const only = (state: Generations, copy: Copy) => ({ next: run(state, copy).state });

  type Answer = { readonly word: 'ok' | 'stale'; readonly epoch: Epoch | null };

  /** open-campaign, activate-campaign, begin-rebuild, finish-rebuild. */
  const run = (state: Generations, { op, named, as, known }: Copy): { state: Generations; answer: Answer } => {
    const { campaign } = state.redis;
    const stays = (word: Answer['word']) => ({ state, answer: { word, epoch: campaign && epochOf(campaign) } });
    const becomes = (next: Omit<Campaign, 'life'>, anew: boolean) => {
      const life = anew ? state.lives + 1 : campaign!.life;
      const redis = { ...state.redis, campaign: { ...next, life } };
      const { generation, random } = next;
      return {
        state: { ...state, redis, lives: Math.max(state.lives, life), highest: Math.max(state.highest, generation) },
        answer: { word: 'ok' as const, epoch: { generation, random } },
      };
    };
    if (op === 'write') {
      return campaign ? stays('ok') : becomes({ ...as, status: 'written', behind: false, known: 0 }, true);
    }
    if (op === 'begin') {
      if (campaign?.random === as.random) return stays('ok');
      if (campaign ? !named || !isSame(campaign, named) : named !== null) return stays('stale');
      const least = campaign ? campaign.generation + 1 : 0;
      const generation = Math.max(as.generation, least);
      return becomes({ generation, random: as.random, status: 'building', behind: false, known: 0 }, true);
    }
    if (!campaign || !named || !isSame(campaign, named)) return stays('stale');
    if (op === 'bind') {
      if (campaign.status !== 'serves') return stays('stale');
      return becomes({ ...campaign, ...as }, true);
    }
    // What a rebuild makes is let serve by itself alone.
    const rebuilt = campaign.status === 'building';
    if (campaign.status === 'serves' || (rebuilt && !isSame(as, campaign))) return stays('stale');
    return becomes({ ...as, status: 'serves', behind: false, known }, false);
  };

  /** Losses, clocks, and the end of the campaign. */
  const happen = (state: Generations, emit: Emit<Generations>) => {
    const { redis, highest, losses } = state;
    if (state.backs > 0) {
      emit({ ...state, clock: EARLY, backs: state.backs - 1 }, 'the clock is set back');
    }
    if (state.clock === EARLY) emit({ ...state, clock: LATE }, 'the clock is put right');
    if (redis.campaign?.status === 'serves' && state.purges > 0) {
      const gone = { ...redis, campaign: null };
      emit({ ...state, redis: gone, purges: state.purges - 1, rows: 0 }, 'it is purged, and its rows are removed');
    }
    const lose = (next: Redis, why: string, wentBack = false) => {
      // What was drawn before Redis went back may be used after it.
      const forgotten = next.last < redis.last || wentBack ? highest : state.forgotten;
      emit({ ...state, redis: next, losses: losses - 1, forgotten, replica: null }, why);
    };
    if (losses === 0) return;
    if (bounds.losses.includes('everything')) lose({ last: 0, campaign: null }, 'Redis loses everything');
    if (bounds.losses.includes('campaign') && redis.campaign)
      lose({ ...redis, campaign: null }, 'Redis loses the campaign');
    if (bounds.losses.includes('counter') && redis.last > 0) lose({ ...redis, last: 0 }, 'Redis loses the counter');
    if (!bounds.losses.includes('failover')) return;
    if (!state.replica) emit({ ...state, replica: redis }, 'a replica falls behind');
    else {
      const { campaign, last } = state.replica;
      lose({ last, campaign: campaign && { ...campaign, behind: true } }, 'the replica is promoted', true);
    }
  };

  /** Nobody is refused for ever by a process that has seen a higher generation, unless Redis and the rows had forgotten it. */
  const broken = (state: Generations): string | null => {
    if (state.wrong) return state.wrong;
    const { campaign } = state.redis;
    if (campaign?.status !== 'serves' || campaign.behind) return null;
    for (const [p, { generation }] of state.processes.entries()) {
      if (generation <= campaign.generation) continue;
      if (generation > state.forgotten || generation <= campaign.known) {
        return `forever: P${p} has seen generation ${generation} and says rolled_back of ${campaign.generation} for ever`;
      }
    }
    return null;
  };

  /** Random names and lives have only to differ. */
  const key = (state: Generations): string => {
    const names: number[] = [0];
    const nth = (name: number): number => {
      const at = names.indexOf(name);
      return at >= 0 ? at : names.push(name) - 1;
    };
    const epoch = (of: Epoch | null) => (of ? `${of.generation}-${nth(of.random)}` : '');
    const redis = (of: Redis | null) => {
      if (!of) return '';
      const { campaign: c, last } = of;
      return `${last}${c ? ` ${epoch(c)} ${c.status} ${nth(-c.life)} ${c.behind} ${c.known}` : ''}`;
    };
    const { clock, backs, losses, purges, rows, forgotten, highest, mayCopy, wrong } = state;
    return [
      [clock, backs, losses, purges, rows, forgotten, highest, mayCopy, wrong],
      redis(state.redis),
      redis(state.replica),
      ...state.processes.map((process) => `${epoch(process)} ${nth(-process.life)}`),
      ...state.makers.map(
        (m) => `${m.step} ${m.process} ${epoch(m.named)} ${m.generation} ${nth(m.random)} ${m.met} ${m.known}`,
      ),
      ...state.copies.map((copy) => `${copy.op} ${epoch(copy.named)} ${epoch(copy.as)} ${copy.known}`),
    ].join();
  };

  return { first, steps, broken, key };
}

const isSame = (a: Epoch, b: Epoch) => a.generation === b.generation && a.random === b.random;
const epochOf = ({ generation, random }: Epoch): Epoch => ({ generation, random });

const none: Bounds = { makers: [], processes: 2, losses: [], losing: 0, purges: 0, backs: 0, copies: 0, begun: false };
const LOSSES = ['everything', 'campaign', 'counter'] as const;

const configurations = {
  'two openings and a purge': { ...none, makers: ['open', 'open'], purges: 1, backs: 1 },
  'two openings, a purge and a copy': { ...none, makers: ['open', 'open'], purges: 1, copies: 1 },
  'three openings and two purges': { ...none, makers: ['open', 'open', 'open'], processes: 1, purges: 2 },
  'two openings and a loss': { ...none, makers: ['open', 'open'], losses: LOSSES, losing: 1, backs: 1 },
  'a rebuild and two losses': { ...none, makers: ['rebuild'], losses: LOSSES, losing: 2, backs: 1, begun: true },
  'two rebuilds and a loss': { ...none, makers: ['rebuild', 'rebuild'], losses: LOSSES, losing: 1, begun: true },
  'two rebuilds, a purge and a lost counter': {
    ...none,
    makers: ['rebuild', 'rebuild'],
    losses: ['counter'],
    losing: 1,
    purges: 1,
    backs: 1,
    begun: true,
  },
  'an opening beside a rebuild': { ...none, makers: ['open', 'rebuild'], losses: ['campaign'], losing: 1, copies: 1 },
  'two rebuilds and a failover': {
    ...none,
    makers: ['rebuild', 'rebuild'],
    losses: ['failover'],
    losing: 1,
    backs: 1,
    begun: true,
  },
  'two bindings and a failover': {
    ...none,
    makers: ['bind', 'bind'],
    losses: ['failover'],
    losing: 1,
    backs: 1,
    begun: true,
  },
} satisfies Record<string, Bounds>;

export const GENERATIONS: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => generations(rules, configurations[name]) as Model<unknown>,
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['counted', 'forever', 'two openings and a purge'],
    ['followsTheClock', 'forever', 'two openings and a loss'],
    ['aboveTheKnown', 'forever', 'a rebuild and two losses'],
    ['aboveTheRows', 'forever', 'a rebuild and two losses'],
    ['drawnBeforeServing', 'anew', 'two openings, a purge and a copy'],
    ['drawnWithoutState', 'forever', 'an opening beside a rebuild'],
    ['drawnAgain', 'forever', 'two rebuilds, a purge and a lost counter'],
    ['bindingIsNamed', 'anew', 'two bindings and a failover'],
    ['epochIsNamed', 'anew', 'a rebuild and two losses'],
  ],
};
