import { expect, test } from 'vitest';
import { monotonicMs } from '../../src/deadline.js';
import { NotSavedError } from '../../src/errors.js';
import type { CouponEvent } from '../../src/events.js';
import type { Issuance } from '../../src/index.js';
import type { PersistenceAdapter, SaveVerdict } from '../../src/persistence/adapter.js';
import { batchedSaves, type SaveOutcome } from '../../src/save.js';
import { anIssuance } from './support.js';

type Save = PersistenceAdapter['save'];

const saved = (issuances: readonly Issuance[]): SaveVerdict[] => issuances.map(() => ({ verdict: 'saved' }));

/** Saves a batch of `count` through `save`, and tells what became of it. */
async function saveBatch(count: number, save: Save, timeoutMs = 60_000) {
  const events: CouponEvent[] = [];
  const sizes: number[] = [];
  const counted: Save = (issuances, options) => {
    sizes.push(issuances.length);
    return save(issuances, options);
  };
  const saves = batchedSaves({ save: counted }, { maxBatch: 500, maxInFlight: 1, emit: (event) => events.push(event) });
  const deadlineAt = monotonicMs() + timeoutMs;
  const requests = Array.from({ length: count }, (_, i) => saves.add({ issuance: anIssuance(i + 1), deadlineAt }));
  const outcomes = await Promise.all(requests);
  return { outcomes, events, sizes, verdicts: tally(outcomes) };
}

function tally(outcomes: readonly SaveOutcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { verdict } of outcomes) counts[verdict] = (counts[verdict] ?? 0) + 1;
  return counts;
}

test('a batch is saved by one call', async () => {
  const { verdicts, sizes, events } = await saveBatch(500, async (issuances) => saved(issuances));
  expect(verdicts).toEqual({ saved: 500 });
  expect(sizes).toEqual([500]);
  expect(events).toEqual([]);
});

test('one poison row of 500 takes no neighbour along: 499 are saved, it alone is not', async () => {
  const stored = new Set<number>();
  const { outcomes, verdicts, sizes } = await saveBatch(500, async (issuances) => {
    if (issuances.some(({ serial }) => serial === 137)) throw new NotSavedError('a row was refused');
    for (const { serial } of issuances) stored.add(serial);
    return saved(issuances);
  });
  expect(verdicts).toEqual({ saved: 499, not_saved: 1 });
  expect(outcomes[136]).toMatchObject({ verdict: 'not_saved' });
  expect(stored.size).toBe(499);
  expect(sizes.length).toBeLessThan(20);
});

test('where the reason lies outside the rows nothing is saved in halves', async () => {
  const { verdicts, sizes } = await saveBatch(8, async () => {
    throw new NotSavedError('no connection', { wholeBatch: true });
  });
  expect(verdicts).toEqual({ not_saved: 8 });
  expect(sizes).toEqual([8]);
});

test('an unknown outcome is asked once more with the same batch, and an adapter that stored it says so', async () => {
  let attempts = 0;
  const { verdicts, sizes } = await saveBatch(3, async (issuances) => {
    if (++attempts === 1) throw new Error('the connection was lost');
    return saved(issuances);
  });
  expect(verdicts).toEqual({ saved: 3 });
  expect(sizes).toEqual([3, 3]);
});

test('after an unknown outcome a later NotSavedError proves nothing', async () => {
  let attempts = 0;
  const { verdicts } = await saveBatch(1, async () => {
    if (++attempts === 1) throw new Error('the connection was lost');
    throw new NotSavedError('the database refused');
  });
  expect(verdicts).toEqual({ unknown: 1 });
  expect(attempts).toBe(2);
});

test('after an unknown outcome of the batch the poison row stays unknown, and its neighbours are saved', async () => {
  let attempts = 0;
  const { outcomes, verdicts } = await saveBatch(8, async (issuances) => {
    if (++attempts === 1) throw new Error('the connection was lost');
    if (issuances.some(({ serial }) => serial === 5)) throw new NotSavedError('a row was refused');
    return saved(issuances);
  });
  expect(verdicts).toEqual({ saved: 7, unknown: 1 });
  expect(outcomes[4]).toEqual({ verdict: 'unknown' });
});

test('twice unknown is unknown, and nobody asks a third time', async () => {
  const { verdicts, sizes } = await saveBatch(4, async () => {
    throw new Error('the connection was lost');
  });
  expect(verdicts).toEqual({ unknown: 4 });
  expect(sizes).toEqual([4, 4]);
});

test('a NotSavedError of another copy of this package counts as well', async () => {
  const { verdicts } = await saveBatch(1, async () => {
    throw Object.assign(new Error('no'), { name: 'NotSavedError' });
  });
  expect(verdicts).toEqual({ not_saved: 1 });
});

test.each<[string, unknown]>([
  ['too few', [{ verdict: 'saved' }]],
  ['too many', Array(3).fill({ verdict: 'saved' })],
  ['none', undefined],
  ['of an unknown word', [{ verdict: 'saved' }, { verdict: 'fine' }]],
  ['a conflict without its row', [{ verdict: 'saved' }, { verdict: 'user_conflict' }]],
  ['with a hole', [{ verdict: 'saved' }, null]],
])('verdicts that are %s mean unknown', async (_, verdicts) => {
  const result = await saveBatch(2, async () => verdicts as SaveVerdict[]);
  expect(result.verdicts).toEqual({ unknown: 2 });
});

test('a save that throws before its promise is unknown as well', async () => {
  const { verdicts } = await saveBatch(2, () => {
    throw new TypeError('x is not a function');
  });
  expect(verdicts).toEqual({ unknown: 2 });
});

test('conflicts are handed on as they are', async () => {
  const existing = anIssuance(9);
  const verdicts: SaveVerdict[] = [
    { verdict: 'saved' },
    { verdict: 'user_conflict', existing },
    { verdict: 'serial_conflict' },
    { verdict: 'code_conflict' },
  ];
  expect((await saveBatch(4, async () => verdicts)).outcomes).toEqual(verdicts);
});

test('a save that hangs until the deadline is unknown, and its signal is aborted', async () => {
  const signals: AbortSignal[] = [];
  const { verdicts } = await saveBatch(
    2,
    (_, { signal }) => {
      signals.push(signal);
      return new Promise(() => {});
    },
    15,
  );
  expect(verdicts).toEqual({ unknown: 2 });
  // A timer may fire a little before the clock reads the deadline; what little is left then ends in the same way.
  expect(signals.length).toBeGreaterThan(0);
  expect(signals.every(({ aborted }) => aborted)).toBe(true);
});

test('its fault is reported without any code of the batch', async () => {
  const { events } = await saveBatch(2, async () => {
    throw new NotSavedError('duplicate key (code)=(SECRET-2) beside SECRET-1 at postgres://me:pass@db/shop', {
      wholeBatch: true,
    });
  });
  expect(events).toMatchObject([{ type: 'fault', during: 'save', campaignId: 'launch' }]);
  expect((events[0] as { error: Error }).error.message).toBe(
    'duplicate key (code)=([redacted]) beside [redacted] at [redacted]',
  );
});
