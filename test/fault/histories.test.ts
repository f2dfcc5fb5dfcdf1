import { afterAll, beforeAll, expect, test } from 'vitest';
import { printFigures } from '../support/checks/figures.js';
import { length } from '../support/checks/lengths.js';
import { Ground } from './history/ground.js';
import { play } from './history/play.js';

/** `SEED=n` plays the history of that seed, and `HISTORIES=m` as many from there on, however long that takes. */
const { SEED, HISTORIES } = process.env;
const ON_DEMAND = SEED !== undefined || HISTORIES !== undefined;

/** These are always played, and among them all that can go wrong does; of the others, those that fit in. */
const LEAST = 150;
const MOST = 250;
/** Beyond the fixed seeds, others each time: whoever looks for what nobody has seen yet. */
const RANDOM = length(0, 20_000);
const MAX_MS = ON_DEMAND ? 3_600_000 : length(55_000, 7_200_000);
/** For how long a history that goes wrong is reduced. */
const SHRINK_MS = 60_000;

let ground: Ground;

beforeAll(async () => {
  ground = await Ground.lay();
});
afterAll(() => ground.stop());

function seeds(): number[] {
  const from = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);
  if (ON_DEMAND) return from(Number(SEED ?? 1), Number(HISTORIES ?? 1));
  return [...from(1, MOST), ...Array.from({ length: RANDOM }, () => Math.floor(Math.random() * 2 ** 31))];
}

test(
  'whatever happens to Redis, the database and the processes, users were told the truth and every unit comes out once',
  async () => {
    const endsAt = performance.now() + MAX_MS;
    let played = 0;
    let failure: unknown = null;
    for (const seed of seeds()) {
      if (failure !== null || (played >= LEAST && performance.now() > endsAt)) break;
      played++;
      await play(ground, seed, SHRINK_MS).catch((error: unknown) => {
        failure = error;
      });
    }
    const { requests, injected } = ground.tally;
    const violations = failure === null ? 0 : 1;
    printFigures({ fault: `${played} histories`, requests, injected, violations, outageSeconds: null });
    if (failure !== null) throw failure;
    if (played >= LEAST) expect(Object.keys(injected).sort(), 'all that can go wrong went wrong').toEqual(FAULTS);
  },
  MAX_MS + SHRINK_MS + 60_000,
);

const FAULTS = [
  ...['FLUSHALL', 'SCRIPT FLUSH', 'restarts of Redis', 'empty restarts of Redis', 'lost keys', 'rollbacks'],
  ...[
    'changes of the pace',
    'changes of the rules',
    'ends of the window',
    'replaced codes',
    'comparisons of Redis with the rows',
  ],
  ...['killed processes', 'rebuilds', 'failed lists', 'late commits'],
  ...['held calls', 'lost calls', 'lost replies', 'calls sent twice', 'calls sent again later', 'late copies'],
  ...['refused', 'all refused', 'lost', 'done and lost', 'half', 'lands later'].map((mood) => `saves ${mood}`),
  ...['refused', 'all refused', 'lost', 'done and lost', 'half', 'lands later'].map((mood) => `changes ${mood}`),
  ...['refused', 'lost', 'done and lost'].map((mood) => `deliveries ${mood}`),
].sort();
