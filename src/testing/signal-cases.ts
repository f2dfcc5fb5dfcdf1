import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { wordsOf } from './assertions.js';
import type { Case } from './stage.js';

/** When a caller may lose patience. */
const MOMENTS: [when: string, moment: (() => Promise<unknown>) | null][] = [
  ['before it began', null],
  ['at once', () => Promise.resolve()],
  ['under way', () => setImmediate()],
];

/** The signal that a save is given. It may be ignored; it must not be misunderstood. */
export const signalCases: Case[] = [
  ...MOMENTS.map(
    ([when, moment]): Case => ({
      name: `a save that is aborted ${when} tells the truth or throws, and its repeat says saved`,
      check: async (stage) => {
        const batch = stage.issuances(3);
        const bystander = stage.issuance();
        const abort = new AbortController();
        await stage.prepare(...batch);
        if (!moment) abort.abort();
        const saving = stage.attempt(batch, abort.signal);
        await moment?.();
        abort.abort();
        const attempt = await saving;
        const words = batch.map(() => 'saved');
        await stage.expectTruth(attempt, { words, storedBefore: [], storedAfter: batch });
        // A row that was reported as not stored must not appear later.
        await stage.given(bystander);
        await stage.expectTruth(attempt, { words, storedBefore: [bystander], storedAfter: [bystander, ...batch] });
        await stage.given(...batch);
        await stage.expectStored(bystander, ...batch);
      },
    }),
  ),
  {
    name: 'a save that is repeated while the aborted one may still go on is no conflict with itself',
    check: async (stage) => {
      const batch = stage.issuances(20);
      const abort = new AbortController();
      await stage.prepare(...batch);
      const aborted = stage.attempt(batch, abort.signal);
      abort.abort();
      const repeated = await stage.saveInTwo(...batch);
      const { verdicts } = await aborted;
      for (const words of [wordsOf(repeated), wordsOf(verdicts ?? [])]) {
        assert.deepEqual(
          words.filter((word) => word !== 'saved'),
          [],
        );
      }
      await stage.expectStored(...batch);
    },
  },
  {
    name: 'a signal that is aborted after the save ended takes nothing back',
    check: async (stage) => {
      const batch = stage.issuances(3);
      const abort = new AbortController();
      await stage.saveUnder(abort.signal, batch);
      abort.abort();
      await stage.expectStored(...batch);
    },
  },
  {
    name: 'aborting one save leaves those beside it alone',
    check: async (stage) => {
      const [aborted, beside] = [stage.issuances(3), stage.issuances(3)];
      const abort = new AbortController();
      await stage.prepare(...aborted, ...beside);
      const saves = [stage.attempt(aborted, abort.signal), stage.given(...beside)];
      abort.abort();
      await Promise.all(saves);
      await stage.given(...aborted);
      await stage.expectStored(...aborted, ...beside);
    },
  },
];
