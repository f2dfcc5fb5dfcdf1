import type { Part } from '../small/part.js';
import type { Model } from '../small/search.js';
import { arrivals, type Emit, issuing, settling } from './issuing.js';
import { broken } from './promises.js';
import { losing, rebuilding } from './recovering.js';
import { redeeming, revoking, working } from './revoking.js';
import { RULES, type Rule, type Rules } from './rules.js';
import { begin, type Configuration, type Message, type State, type World } from './state.js';

/** Revoking X while it is issued, saved, settled, asked for again, and rebuilt. */
function revoke(rules: Rules, config: Configuration): Model<State> {
  const world: World = { config, rules };
  const steps = (state: State, emit: Emit) => {
    issuing(world, state, emit);
    settling(world, state, emit);
    revoking(world, state, emit);
    redeeming(state, emit);
    working(world, state, emit);
    losing(world, state, emit);
    rebuilding(world, state, emit);
    arrivals(world, state, emit);
  };
  return { first: begin(world), steps, broken: (state) => broken(world, state), key };
}

/** Stamps count by their order alone, and late messages have no order. */
function key(state: State): string {
  const { late } = state;
  const sorted =
    late.length < 2 ? state : { ...state, late: late.toSorted((a, b) => (textOf(a) < textOf(b) ? -1 : 1)) };
  const text = JSON.stringify(sorted);
  const stamps = new Set([...text.matchAll(STAMP)].map(([, stamp]) => Number(stamp)));
  const order = [...stamps.add(0)].sort((a, b) => a - b);
  return text.replace(STAMP, (_, stamp) => `"stamp":${order.indexOf(Number(stamp))}`);
}

const STAMP = /"stamp":(\d+)/g;
const textOf = (message: Message) => JSON.stringify(message);

/** `SOAK=1`: a message comes late, and a process dies, also where Redis loses something. Some minutes. */
const MORE = process.env.SOAK ? 1 : 0;

const X = { user: 0, id: 'X' };
const againX = { ...X, afterCall: 0 };
const behindX = { ...X, way: 'behind' } as const;
const queuedX = { ...X, way: 'queued' } as const;
const Y = { user: 0, id: 'Y', afterCall: 0 };
const Z = { user: 1, id: 'Z', afterCall: 0 };
const R = { by: 'R', unit: 'returned', again: true } as const;
const S = { by: 'S', unit: 'kept', again: false } as const;
const one = { total: 1, revokes: [R], settles: 0, crashes: 1, faults: 1 } as const;

const configurations = {
  'two revokers, and X repeated': { ...one, calls: [X, againX], revokes: [R, R], faults: 0 },
  'two revokers that differ': { ...one, calls: [X], revokes: [R, S], crashes: 0 },
  'X while it is settled': { ...one, calls: [X], settles: 1 },
  'X, and X again': { ...one, calls: [X, againX] },
  'X, and then Z': { ...one, calls: [X, Z], revokes: [{ ...R, again: false }] },
  'X, and then Y of its user': { ...one, total: 2, calls: [X, Y], revokes: [{ ...R, unit: 'kept' }] },
  'X redeemed meanwhile': { ...one, calls: [X], redeems: 1 },
  'X delivered, and X again': { ...one, total: 2, calls: [X, againX], settles: 1, delivers: true, faults: 0 },
  'X behind, and X again': { ...one, calls: [behindX, { ...behindX, afterCall: 0 }], settles: 2 },
  'X admitted, and X again': { ...one, calls: [queuedX, { ...queuedX, afterCall: 0 }], settles: 1 },
  'a rebuild meanwhile': { ...one, calls: [X], settles: 1, rebuilds: 1, faults: 0 },
  'a rebuild meanwhile, X again': { ...one, calls: [X, againX], settles: 1, rebuilds: 1, crashes: 0, faults: 0 },
  'a rebuild meanwhile, the grant kept': {
    ...one,
    total: 2,
    calls: [X, Z],
    revokes: [{ ...R, again: false }],
    settles: 1,
    rebuilds: 1,
    crashes: 0,
    faults: 0,
  },
  'everything lost': { ...one, calls: [X, againX], loses: 'everything', crashes: MORE, faults: MORE },
  'everything lost, and a crash': { ...one, calls: [X], settles: 1, loses: 'everything', faults: MORE },
  'everything lost, and the unit kept': {
    ...one,
    calls: [X, againX],
    revokes: [S],
    loses: 'everything',
    crashes: MORE,
    faults: MORE,
  },
  'X delivered, and a rebuild meanwhile': {
    ...one,
    total: 2,
    calls: [X, againX],
    settles: 1,
    rebuilds: 1,
    delivers: true,
    crashes: 0,
    faults: 0,
  },
  'Redis goes back': { ...one, calls: [X, againX], loses: 'a while', faults: MORE, crashes: MORE },
  'Redis goes back, and the unit kept': {
    ...one,
    calls: [X, againX],
    revokes: [S],
    loses: 'a while',
    faults: MORE,
    crashes: MORE,
  },
  'Redis goes back, and Z takes the unit': {
    ...one,
    calls: [X, Z],
    settles: 0,
    loses: 'a while',
    faults: MORE,
    crashes: MORE,
  },
} as const satisfies Record<string, Configuration>;

export const REVOKE: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => revoke(rules, configurations[name]) as Model<unknown>,
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['rowFirst', 'L7', 'X redeemed meanwhile'],
    ['announces', 'L6', 'X redeemed meanwhile'],
    ['looksFirst', 'L6', 'X redeemed meanwhile'],
    ['announceNeverLowers', 'L6', 'X redeemed meanwhile'],
    ['fences', 'L6', 'X redeemed meanwhile'],
    ['dropNamesVersion', 'L6', 'X redeemed meanwhile'],
    ['againNamesRow', 'L6', 'everything lost'],
    ['announcesAgain', 'L6', 'everything lost'],
    ['takesBackOnce', 'L7', 'X, and then Z'],
    ['takesBackByRow', 'L7', 'two revokers that differ'],
    ['takesBackAnyState', 'L6', 'X redeemed meanwhile'],
    ['takeBackNamesSerial', 'L7', 'X, and X again'],
    ['returnsNewUnit', 'I3', 'X, and then Z'],
    ['saveTellsRevoked', 'L6', 'everything lost'],
    ['conflictTakesBack', 'L7', 'X redeemed meanwhile'],
    ['adoptSeesRevoked', 'L6', 'X, and X again'],
    ['adoptKeepsDelivered', 'I10', 'X delivered, and X again'],
    ['rebuildMarks', 'L6', 'a rebuild meanwhile'],
    ['rebuildKeepsFreed', 'L7', 'a rebuild meanwhile'],
    ['rebuildEndsOwn', 'L7', 'X delivered, and a rebuild meanwhile'],
    ['reconcileTakesBack', 'L6', 'Redis goes back, and the unit kept'],
    ['reconcileSkipsFreed', 'L6', 'Redis goes back'],
    ['reconcileCounts', 'L7', 'Redis goes back'],
  ],
};
