/** Loads under one name, chunk by chunk: `lua/campaign/load-codes.lua` and the `Load` of `src/operate/load-codes.ts`. A code is a letter, a list a text, and its digest is the text itself. */

import { type Explored, exploreBreadth } from './breadth.js';

export const LOAD_RULES = {
  beforeIsCompared: 'a chunk is written only behind the list that it names',
  beginningIsCompared: 'a caller compares what was loaded before with the beginning of its list',
  shorterIsRefused: 'a list that ends before what was loaded is refused',
  gapIsRefused: 'a chunk beyond what was loaded is refused',
  callersAreNamed: 'a chunk is told as loaded to its own caller alone',
  copiesChangeNothing: 'a chunk that runs twice is written once',
  knownAreSkipped: 'a code that was ever loaded is not loaded again',
} as const;

export type LoadRule = keyof typeof LOAD_RULES;
export type LoadRules = Readonly<Record<LoadRule, boolean>>;

export interface LoadConfiguration {
  /** Each caller with its list, and how many codes it sends at a time. */
  readonly callers: readonly { readonly list: string; readonly size: number }[];
  /** A lost call or reply, a copy, a call sent again, a caller that dies: how many in all. */
  readonly faults: number;
  /** How often Redis goes back to before all loads, unnoticed by the callers. */
  readonly losses: number;
}

interface Redis {
  readonly done: number;
  readonly digest: string;
  readonly by: number;
  readonly added: number;
  readonly pool: string;
}

interface Message {
  readonly caller: number;
  readonly offset: number;
  readonly codes: string;
  readonly before: string;
  readonly after: string;
}

interface Reply {
  readonly word: 'ok' | 'gap' | 'another_list';
  readonly redis: Redis;
}

interface Caller {
  readonly step: 'ask' | 'send' | 'done' | 'refused';
  /** A call that begins anew has another name. */
  readonly name: number;
  /** Codes of its list that are loaded or compared. */
  readonly at: number;
  readonly known: { readonly offset: number; readonly digest: string };
  readonly loaded: number;
  /** Losses before it began. */
  readonly since: number;
}

interface State {
  readonly redis: Redis;
  readonly callers: readonly Caller[];
  readonly copies: readonly Message[];
  readonly names: number;
  readonly faults: number;
  readonly losses: number;
  /** Codes that callers of this state of Redis were told to have loaded. */
  readonly told: number;
  readonly broken: string | null;
}

const EMPTY: Redis = { done: 0, digest: '', by: 0, added: 0, pool: '' };

/** load-codes.lua */
function execute(rules: LoadRules, redis: Redis, { caller, offset, codes, before, after }: Message): Reply {
  const { done, digest } = redis;
  const count = codes.length;
  if (rules.gapIsRefused && count > 0 && offset > done) return { word: 'gap', redis };
  const named = offset === done && rules.beforeIsCompared ? before : digest;
  const expected = offset + count === done && offset < done ? after : named;
  if (expected !== digest && done > 0) return { word: 'another_list', redis };
  if (count === 0 || (offset < done && rules.copiesChangeNothing)) return { word: 'ok', redis };
  const fresh = [...codes].filter((code, i) => {
    const isKnown = redis.pool.includes(code) || codes.slice(0, i).includes(code);
    return !isKnown || !rules.knownAreSkipped;
  });
  const pool = redis.pool + fresh.join('');
  return { word: 'ok', redis: { done: offset + count, digest: after, by: caller, added: fresh.length, pool } };
}

/** What a caller sends next: a chunk, or at first nothing, to ask how far the load came. */
function nextMessage({ step, name, at }: Caller, { list, size }: LoadConfiguration['callers'][number]): Message {
  const codes = step === 'ask' ? '' : list.slice(at, (Math.floor(at / size) + 1) * size);
  const offset = step === 'ask' ? 0 : at;
  return { caller: name, offset, codes, before: list.slice(0, offset), after: list.slice(0, offset + codes.length) };
}

/** Load.take and Load.end: what a caller does with an answer until it sends again. */
function heard(rules: LoadRules, caller: Caller, list: string, message: Message, { word, redis }: Reply): Caller {
  if (word !== 'ok') return { ...caller, step: 'refused' };
  const isOwn = !rules.callersAreNamed || redis.by === message.caller;
  const loaded = message.codes !== '' && isOwn && redis.done === message.offset + message.codes.length;
  const known = { offset: redis.done, digest: redis.digest };
  const at = loaded ? redis.done : Math.max(caller.at, Math.min(known.offset, list.length));
  const next: Caller = { ...caller, step: 'send', at, known, loaded: caller.loaded + (loaded ? redis.added : 0) };
  const compares = !loaded && at === known.offset && at > caller.at && rules.beginningIsCompared;
  if (compares && list.slice(0, at) !== known.digest) return { ...next, step: 'refused' };
  if (at < list.length) return next;
  return { ...next, step: known.offset > list.length && rules.shorterIsRefused ? 'refused' : 'done' };
}

function brokenBy(config: LoadConfiguration, { redis, told }: State): string | null {
  const lists = config.callers.map(({ list }) => list);
  if (!lists.some((list) => list.startsWith(redis.digest))) return 'two lists were mixed';
  if (redis.digest.length !== redis.done) return 'a part of the list is missing';
  if (redis.pool !== [...new Set(redis.digest)].join('')) return 'the pool is not what was loaded';
  return told > redis.pool.length ? 'more codes were told loaded than there are' : null;
}

function judged(before: State, next: State, i: number, { list }: { list: string }): State {
  const { step, since } = next.callers[i]!;
  if (next.broken || since < next.losses || step === before.callers[i]!.step) return next;
  const { digest } = next.redis;
  if (step === 'done' && !digest.startsWith(list)) return { ...next, broken: 'a list was told loaded that is not' };
  if (step === 'refused' && list.startsWith(digest)) return { ...next, broken: 'the list that was begun was refused' };
  return next;
}

type Emit = (next: State, why: string) => void;

function steps(config: LoadConfiguration, rules: LoadRules, state: State, emit: Emit): void {
  const { redis, callers, copies, faults, losses } = state;
  callers.forEach((caller, i) => {
    if (caller.step === 'done' || caller.step === 'refused') return;
    const own = config.callers[i]!;
    const message = nextMessage(caller, own);
    const as = (change: Caller) => callers.map((one, j) => (j === i ? change : one));
    const anew: Caller = {
      step: 'ask',
      name: state.names,
      at: 0,
      known: { offset: 0, digest: '' },
      loaded: 0,
      since: losses,
    };
    const reply = execute(rules, redis, message);
    const spent = { faults: faults - 1 };
    const answered = (from: State, to: Reply): State => {
      const next = heard(rules, caller, own.list, message, to);
      const told = from.told + (caller.since < losses ? 0 : next.loaded - caller.loaded);
      return judged(state, { ...from, redis: to.redis, callers: as(next), told }, i, own);
    };
    const what = `caller ${caller.name} sends ${message.codes || 'a question'} at ${message.offset}`;
    emit(answered(state, reply), `${what}: ${reply.word}`);
    if (faults === 0) return;
    const restarted = { ...state, ...spent, names: state.names + 1, callers: as(anew) };
    emit(restarted, `${what}, which is lost, and begins anew`);
    emit({ ...restarted, redis: reply.redis }, `${what}, and dies before its answer`);
    if (message.codes === '') return;
    emit({ ...restarted, copies: [...copies, message] }, `${what}, which comes late, and begins anew`);
    emit(answered({ ...state, ...spent, copies: [...copies, message] }, reply), `${what}, and a copy is under way`);
    const again = execute(rules, reply.redis, message);
    emit(answered({ ...state, ...spent }, again), `${what}, and the client sends it twice`);
  });
  copies.forEach((message, i) => {
    const reply = execute(rules, redis, message);
    const left = copies.filter((_, j) => j !== i);
    emit({ ...state, copies: left, redis: reply.redis }, `a copy of ${message.codes} at ${message.offset} runs`);
  });
  if (losses < config.losses) emit({ ...state, redis: EMPTY, losses: losses + 1, told: 0 }, 'Redis goes back');
}

export function exploreLoads(config: LoadConfiguration, rules: LoadRules): Explored {
  const callers = config.callers.map((_, i): Caller => {
    return { step: 'ask', name: i + 1, at: 0, known: { offset: 0, digest: '' }, loaded: 0, since: 0 };
  });
  const names = callers.length + 1;
  const first: State = {
    redis: EMPTY,
    callers,
    copies: [],
    names,
    faults: config.faults,
    losses: 0,
    told: 0,
    broken: null,
  };
  return exploreBreadth(
    first,
    (state, emit) => steps(config, rules, state, emit),
    (state) => state.broken ?? brokenBy(config, state),
  );
}
