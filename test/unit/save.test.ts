import { expect, test } from 'vitest';
import { monotonicMs } from '../../src/flow/deadline.js';
import type { Issuance } from '../../src/index.js';
import { batchedSaves, type SaveOutcome } from '../../src/issue/save.js';
import { NotSavedError } from '../../src/model/errors.js';
import type { CouponEvent, FaultEvent } from '../../src/model/events.js';
import type { Life } from '../../src/model/life.js';
import type { PersistenceAdapter, SaveVerdict } from '../../src/persistence/adapter.js';
import { anIssuance, aReserved } from './support.js';

const REVOKED: Life = { version: 1, state: 'revoked', at: new Date(), by: 'R', undone: '', unitReturned: false };

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
  const requests = Array.from({ length: count }, (_, i) =>
    saves.add({ reserved: aReserved(anIssuance(i + 1)), perUser: 2, deadlineAt }),
  );
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

test('a rule that refuses each row is taken for a reason outside the rows after eight of them', async () => {
  const { outcomes, verdicts, sizes } = await saveBatch(500, async () => {
    throw new NotSavedError('refused');
  });
  expect(verdicts).toEqual({ not_saved: 500 });
  expect(outcomes.every((one) => one.verdict === 'not_saved' && one.refusal === 'no')).toBe(true);
  // What was split off before is tried as it is: another row that stands alone may be among it.
  expect(sizes.filter((size) => size === 1).length).toBeLessThan(10);
  expect(sizes.length).toBeLessThan(40);
});

test('many poison rows at the front of a batch do not hide the rows behind them', async () => {
  const { outcomes, sizes } = await saveBatch(64, async (issuances) => {
    if (issuances.some(({ serial }) => serial <= 16 || serial === 50)) throw new NotSavedError('refused');
    return saved(issuances);
  });
  const ends = outcomes.map((one) => (one.verdict === 'not_saved' ? one.refusal : one.verdict));
  expect(ends.slice(16, 32)).toEqual(Array(16).fill('saved'));
  expect(ends.slice(32).filter((end) => end !== 'saved')).toEqual(['yes']);
  expect(ends.slice(0, 8)).toEqual(Array(8).fill('yes'));
  expect(sizes.length).toBeLessThan(40);
});

test('seven poison rows and a good one are all found', async () => {
  const { outcomes } = await saveBatch(8, async (issuances) => {
    if (issuances.some(({ serial }) => serial < 8)) throw new NotSavedError('refused');
    return saved(issuances);
  });
  expect(outcomes.slice(0, 7)).toMatchObject(Array(7).fill({ verdict: 'not_saved', refusal: 'yes' }));
  expect(outcomes[7]).toEqual({ verdict: 'saved' });
});

test('a row that the database will never take stays so, also where each row is refused', async () => {
  const { outcomes } = await saveBatch(16, async () => {
    throw new NotSavedError('refused', { permanent: true });
  });
  expect(outcomes.slice(0, 8)).toMatchObject(Array(8).fill({ refusal: 'for_good' }));
  expect(outcomes.slice(8)).toMatchObject(Array(8).fill({ refusal: 'no' }));
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
  const { id, userId } = anIssuance(2);
  const verdicts: SaveVerdict[] = [
    { verdict: 'saved' },
    { verdict: 'user_conflict', existing: anIssuance(9, { userId, state: 'issued' }) },
    { verdict: 'serial_conflict' },
    { verdict: 'code_conflict' },
  ];
  expect((await saveBatch(4, async () => verdicts)).outcomes).toEqual(verdicts);
  const sameId = { verdict: 'user_conflict', existing: anIssuance(9, { id, userId, grant: 2, state: 'issued' }) };
  expect((await saveBatch(2, async () => [verdicts[0]!, sameId as SaveVerdict])).outcomes[1]).toEqual(sameId);
  const freed = anIssuance(2, { grant: 0, life: REVOKED, state: 'revoked' });
  const ownFreed: SaveVerdict = { verdict: 'user_conflict', existing: freed };
  expect((await saveBatch(2, async () => [verdicts[0]!, ownFreed])).outcomes[1]).toEqual(ownFreed);
});

test.each<[string, Partial<Record<keyof Issuance, unknown>>]>([
  ['of another campaign', { campaignId: 'another' }],
  ['of another user', { userId: 'mallory' }],
  ['of this id under another user', { id: anIssuance(1).id, userId: 'mallory' }],
  ['of another grant and another id', { grant: 2 }],
  ['of a grant beyond perUser', { id: anIssuance(1).id, grant: 3 }],
  ['of grant 0', { id: anIssuance(1).id, grant: 0 }],
  ['of another id whose grant is free again', { grant: 0, life: REVOKED }],
  ['of half a grant', { id: anIssuance(1).id, grant: 1.5 }],
  ['of serial 0', { serial: 0 }],
  ['of a serial below 0', { serial: -5 }],
  ['of a serial that is no exact number', { serial: 2 ** 53 }],
  ['of a serial in text', { serial: '7' }],
  ['with a code of 129 bytes', { code: 'x'.repeat(129) }],
  ['with an empty code', { code: '' }],
  ['with U+0000 in its code', { code: 'A\0B' }],
  ['without a code or null', { code: undefined }],
  ['with a colon in its id', { id: 'a:b' }],
  ['without an id', { id: '' }],
  ['with a date before 1970', { issuedAt: new Date(-1) }],
  ['with a date that is none', { issuedAt: new Date(Number.NaN) }],
  ['with a date in text', { issuedAt: '2026-01-01T00:00:00Z' }],
  ['without an epoch', { epoch: null }],
])('a conflict with a row %s means unknown, and the fault names no value of it', async (_, change) => {
  const { userId } = anIssuance(1);
  const existing = { ...anIssuance(9, { userId }), ...change };
  const { verdicts, events } = await saveBatch(1, async () => [{ verdict: 'user_conflict', existing } as SaveVerdict]);
  expect(verdicts).toEqual({ unknown: 1 });
  const messages = events.map((event) => (event as FaultEvent).error.message);
  expect(messages[0]).toMatch(
    /^save must resolve to one verdict for each issuance; verdict 1 has (no|a) row as existing/,
  );
  expect(messages.join()).not.toMatch(/mallory|another campaign|xxxx|-5/);
});

test('a verdict is read once, so what it says at a second look is not believed', async () => {
  const { userId } = anIssuance(1);
  const looks = { verdict: 0, serial: 0 };
  const existing = {
    ...anIssuance(9, { userId }),
    get serial() {
      return ++looks.serial === 1 ? 9 : -5;
    },
  };
  const verdict = {
    get verdict() {
      return ++looks.verdict === 1 ? 'user_conflict' : 'saved';
    },
    existing,
  };
  const { outcomes } = await saveBatch(1, async () => [verdict as unknown as SaveVerdict]);
  expect(outcomes).toEqual([{ verdict: 'user_conflict', existing: anIssuance(9, { userId, state: 'issued' }) }]);
  expect(looks).toEqual({ verdict: 1, serial: 1 });
});

test('what an adapter changes in its verdicts after it answered is not seen', async () => {
  const { userId } = anIssuance(1);
  const existing = anIssuance(9, { userId }) as { serial: number; issuedAt: Date };
  const { outcomes } = await saveBatch(1, async () => [
    { verdict: 'user_conflict', existing } as unknown as SaveVerdict,
  ]);
  existing.serial = -5;
  existing.issuedAt.setTime(0);
  expect(outcomes).toEqual([{ verdict: 'user_conflict', existing: anIssuance(9, { userId, state: 'issued' }) }]);
});

test('an adapter that takes its argument apart saves all the same, also at the second attempt', async () => {
  const stored = new Set<number>();
  let attempts = 0;
  const { verdicts } = await saveBatch(5, async (issuances) => {
    attempts++;
    const rest = issuances as Issuance[];
    const verdicts: SaveVerdict[] = [];
    while (rest.length > 0)
      for (const { serial } of rest.splice(0, 2)) {
        stored.add(serial);
        verdicts.push({ verdict: 'saved' });
      }
    if (attempts === 1) throw new Error('the connection was lost');
    return verdicts;
  });
  expect(verdicts).toEqual({ saved: 5 });
  expect({ attempts, stored: stored.size }).toEqual({ attempts: 2, stored: 5 });
});

/** The fault events of a batch, without what is the same in all of them. */
function faultsOf(events: readonly CouponEvent[]) {
  return events.map((event) => {
    const { type, during, error, ...rest } = event as FaultEvent;
    expect({ type, during }).toEqual({ type: 'fault', during: 'save' });
    return { message: error.message, ...rest };
  });
}

/** What the driver of a database throws, behind the words of its adapter. */
function refusal(properties: object): NotSavedError {
  return new NotSavedError('the database refused the batch', { cause: Object.assign(new Error('x'), properties) });
}

test('a row that is refused is told in one event, which names it and the constraint, into however many halves its batch fell', async () => {
  const { verdicts, events } = await saveBatch(500, async (issuances) => {
    for (const serial of [137, 400]) {
      if (issuances.some((one) => one.serial === serial)) {
        throw refusal({ code: '23503', constraint: `fk_users_${serial}` });
      }
    }
    return saved(issuances);
  });
  expect(verdicts).toEqual({ saved: 498, not_saved: 2 });
  const named = (serial: number) => {
    const { id, userId } = anIssuance(serial);
    const issuance = { campaignId: 'launch', id, userId, grant: 1, serial };
    const message = 'the database refused the batch';
    return { message, campaignId: 'launch', count: 1, issuance, constraint: `fk_users_${serial}` };
  };
  expect(faultsOf(events)).toEqual([named(137), named(400)]);
});

test.each<[string, unknown, string | undefined]>([
  ['the name that the adapter gives', Object.assign(new NotSavedError('no'), { constraint: 'one_each' }), 'one_each'],
  ['the name under which another driver gives it', refusal({ code: '23505', constraint_name: 'one_each' }), 'one_each'],
  ['the code where no constraint is named', refusal({ code: '42501' }), '42501'],
  ['the code that the adapter gives', Object.assign(new NotSavedError('no'), { code: 'NO_SUCH_USER' }), 'NO_SUCH_USER'],
  ['the code where the name quotes a coupon', refusal({ code: '23514', constraint: 'no SECRET-1' }), '23514'],
  ['nothing where nothing is known', new NotSavedError('no'), undefined],
])('a refused row is told with %s', async (_, error, constraint) => {
  const { events } = await saveBatch(1, () => Promise.reject(error));
  expect(faultsOf(events).map((one) => one.constraint)).toEqual([constraint]);
});

test('a batch that fails for an outer reason is one event with its count, also where the halves fail alike', async () => {
  const whole = await saveBatch(8, () => Promise.reject(new NotSavedError('no connection', { wholeBatch: true })));
  expect(faultsOf(whole.events)).toEqual([{ message: 'no connection', campaignId: 'launch', count: 8 }]);
  const halves = await saveBatch(8, (issuances) =>
    Promise.reject(new NotSavedError('no connection', { wholeBatch: issuances.length < 8 })),
  );
  expect(halves.verdicts).toEqual({ not_saved: 8 });
  expect(faultsOf(halves.events)).toEqual([{ message: 'no connection', campaignId: 'launch', count: 8 }]);
});

test('a batch that is refused though its parts are not is one event, since the next one will be refused as well', async () => {
  const { verdicts, events } = await saveBatch(8, async (issuances) => {
    if (issuances.length > 2) throw new NotSavedError('the packet is too large');
    return saved(issuances);
  });
  expect(verdicts).toEqual({ saved: 8 });
  expect(faultsOf(events)).toEqual([{ message: 'the packet is too large', campaignId: 'launch', count: 8 }]);
});

test('each attempt whose outcome is unknown is one event with its count', async () => {
  const { events } = await saveBatch(4, () => Promise.reject(new Error('the connection was lost')));
  const lost = { message: 'the connection was lost', campaignId: 'launch', count: 4 };
  expect(faultsOf(events)).toEqual([lost, lost]);
});

test('a fault of a batch that mixes campaigns names all of them, and none of them alone', async () => {
  const events: CouponEvent[] = [];
  const save = () => Promise.reject(new NotSavedError('no connection', { wholeBatch: true }));
  const saves = batchedSaves({ save }, { maxBatch: 9, maxInFlight: 1, emit: (event) => events.push(event) });
  const deadlineAt = monotonicMs() + 60_000;
  const campaigns = ['spring', 'summer', 'spring'];
  await Promise.all(
    campaigns.map((campaignId, i) =>
      saves.add({ reserved: aReserved(anIssuance(i + 1, { campaignId })), perUser: 1, deadlineAt }),
    ),
  );
  expect(faultsOf(events)).toEqual([
    { message: 'no connection', campaignId: null, campaignIds: ['spring', 'summer'], count: 3 },
  ]);
});

test('rows that are refused alone one after the other do not count as coming through', async () => {
  const { sizes, verdicts } = await saveBatch(64, async (issuances) => {
    if (issuances.length > 1) throw new NotSavedError('a row was refused');
    return [{ verdict: 'refused', reason: 'unknown_customer' }];
  });
  expect(verdicts).toEqual({ refused: 8, not_saved: 56 });
  expect(sizes.length).toBeLessThan(40);
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
