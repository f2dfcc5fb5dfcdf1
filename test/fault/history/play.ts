import fc from 'fast-check';
import {
  copying,
  crashing,
  emptying,
  forgettingScripts,
  goingOn,
  landing,
  losingAKey,
  mislaying,
  poisoning,
  puttingBack,
  restarting,
  restartingEmpty,
} from './accidents.js';
import { asking } from './callers.js';
import type { HistoryCommand } from './command.js';
import { end } from './ending.js';
import type { Ground } from './ground.js';
import { History } from './history.js';
import { closing, load, loading, open, opening, pausing, restocking } from './operators.js';
import { racing } from './races.js';
import { rebuilding } from './rebuilding.js';
import { pacing, replacing, updating } from './ruling.js';
import { type Setting, settings } from './setting.js';
import { leasesRunningOut, reconciling, retrying, settling, withdrawing, working } from './settlers.js';
import { expiring, reading, shopping } from './shops.js';

/** How often each thing happens. */
const WEIGHTS: readonly (readonly [number, fc.Arbitrary<HistoryCommand>])[] = [
  [14, asking],
  [16, racing],
  [14, shopping],
  [1, expiring],
  [2, reading],
  [8, settling],
  [3, working],
  [1, leasesRunningOut],
  [2, opening],
  [3, loading],
  [4, restocking],
  [2, pausing],
  [2, pacing],
  [3, updating],
  [2, replacing],
  [1, closing],
  [2, retrying],
  [2, withdrawing],
  [2, reconciling],
  [5, rebuilding],
  [8, mislaying],
  [6, copying],
  [9, goingOn],
  [4, landing],
  [3, crashing],
  [2, poisoning],
  [1, emptying],
  [1, restarting],
  [1, restartingEmpty],
  [1, forgettingScripts],
  [1, losingAKey],
  [5, puttingBack],
];

const LONGEST = 70;

const histories = fc.commands<History, History, false>(
  WEIGHTS.flatMap(([weight, arbitrary]) => Array.from({ length: weight }, () => arbitrary)),
  { maxCommands: LONGEST, size: 'max' },
);

/** Plays the history of a seed; what goes wrong in it is reduced to few commands, for as long as `shrinkMs`, and thrown with them. */
export async function play(ground: Ground, seed: number, shrinkMs: number): Promise<void> {
  const property = fc.asyncProperty(settings, histories, (setting, commands) => live(ground, setting, commands));
  const limits = shrinkMs > 0 ? { interruptAfterTimeLimit: shrinkMs } : { endOnFailure: true };
  // Half of the histories are of all sizes, the others have more of what is small: few users, few units, one at a time.
  await fc.assert(property, { seed, numRuns: 1, unbiased: seed % 2 === 0, ...limits });
}

/** One history, from the opening of its campaign until all faults healed. */
async function live(ground: Ground, setting: Setting, commands: Iterable<HistoryCommand>): Promise<void> {
  const history = await History.begin(ground, setting);
  try {
    for (const first of [open(0), load(0, 0, setting.units)]) {
      if (first.check(history)) await first.run(history, history);
    }
    await fc.asyncModelRun(() => ({ model: history, real: history }), commands);
    await end(history);
  } catch (error) {
    throw new Error(`${(error as Error).stack}\n${history.told.log.join('\n')}`);
  }
}
