import { assertInteger, ownCopy } from './check.js';
import { invalid } from './errors.js';
import { type Instant, instantMs } from './instants.js';

/**
 * Admits `count` users at one instant, or every hour or every 24 hours (`day`) from one instant on, by the clock of
 * Redis. If a wave comes while no worker runs, the next worker admits as many users. The rest of a wave is gone once
 * the line is empty.
 */
export type Wave =
  | { readonly at: Instant; readonly count: number }
  | { readonly from: Instant; readonly every: 'hour' | 'day'; readonly count: number };

/** A wave in ms; `everyMs` is 0 for once. */
export interface WaveTimes {
  readonly fromMs: number;
  readonly everyMs: number;
  readonly count: number;
}

const EVERY = { hour: 3_600_000, day: 86_400_000 };
const MOST_WAVES = 1_000;
const MOST_ADMITTED = 10_000_000;

/** Throws `InvalidArgumentError`. */
export function checkedWaves(waves: readonly Wave[], called = 'waves'): WaveTimes[] {
  if (!Array.isArray(waves) || waves.length === 0 || waves.length > MOST_WAVES) {
    throw invalid(called, `must be an array of 1 to ${MOST_WAVES}`);
  }
  return waves.map((given: Wave, i) => {
    const name = `${called}[${i}]`;
    const wave = ownCopy<{
      at?: Instant | undefined;
      from?: Instant | undefined;
      every?: 'hour' | 'day' | undefined;
      count: number;
    }>(name, given, ['at', 'from', 'every', 'count']);
    const { at, from, every, count } = wave;
    assertInteger(`${name}.count`, count, 1, MOST_ADMITTED);
    if (at !== undefined && from === undefined && every === undefined) {
      return { fromMs: instantMs(`${name}.at`, at), everyMs: 0, count };
    }
    if (at !== undefined || (every !== 'hour' && every !== 'day')) {
      throw invalid(name, "must have at, or from and every: 'hour' or 'day'");
    }
    return { fromMs: instantMs(`${name}.from`, from), everyMs: EVERY[every], count };
  });
}
