import { describe, expect, test } from 'vitest';
import { monotonicMs } from '../../src/flow/deadline.js';
import { type Issuance, MemoryPersistence, NotSavedError, type PersistenceAdapter } from '../../src/index.js';
import type { LifeCall } from '../../src/model/life.js';
import type { CouponRows } from '../../src/persistence/adapter.js';
import type { ChangeVerdict, CouponChange } from '../../src/persistence/coupon-change.js';
import { Changes } from '../../src/redeem/changes.js';

const EXPIRY = new Date('2026-12-01T00:00:00Z');
const SIZES = { maxBatch: 500, maxInFlight: 2, maxQueued: 100, announce: async () => [] };
const redeem = (id: string): LifeCall => ({ verb: 'redeem', id });
const unredeem = (id: string): LifeCall => ({ verb: 'unredeem', id });

function coupon(serial: number, given: Partial<Issuance> = {}): Issuance {
  const named = { id: `id-${serial}`, campaignId: 'c', userId: `u${serial}`, grant: 1, serial, code: `CODE${serial}` };
  return { ...named, issuedAt: new Date(0), epoch: '1-a', state: 'reserved', ...given };
}

const REDEEMED = { version: 1, state: 'redeemed', at: new Date(0), by: 'A', undone: '', unitReturned: false } as const;

type Change = (changes: readonly CouponChange[]) => Promise<readonly ChangeVerdict[]>;

/** Ten coupons, and what the adapter was asked. `wrap` stands around its `change`. */
async function scene(wrap: (change: Change, nth: number) => Change = (change) => change) {
  const memory = new MemoryPersistence({ now: () => new Date(EXPIRY.getTime() - 1) });
  await memory.save(Array.from({ length: 10 }, (_, i) => coupon(i + 1)));
  await memory.save([coupon(11, { expiresAt: new Date(0) })]);
  const asked: string[] = [];
  const adapter: PersistenceAdapter & CouponRows = {
    save: (issuances) => memory.save(issuances),
    look: async (refs) => {
      asked.push(`look ${refs.length}`);
      return memory.look(refs);
    },
    change: async (changes) => {
      asked.push(`change ${changes.length}`);
      return wrap((all) => memory.change(all), asked.length)(changes);
    },
  };
  const changes = new Changes(adapter, SIZES);
  const ask = (serial: number, call: LifeCall, userId?: string, timeoutMs = 60_000) =>
    changes.change({
      ref: { campaignId: 'c', code: `CODE${serial}`, userId },
      call,
      deadlineAt: monotonicMs() + timeoutMs,
    });
  return {
    ask,
    asked,
    memory,
    answers: async (...asks: ReturnType<typeof ask>[]) => (await Promise.all(asks)).map(({ answer }) => answer),
  };
}

describe('calls about many coupons', () => {
  test('that were never changed are redeemed by one statement', async () => {
    const { ask, asked, answers } = await scene();
    const all = Array.from({ length: 10 }, (_, i) => ask(i + 1, redeem('A')));
    expect(new Set(await answers(...all))).toEqual(new Set(['redeemed']));
    expect(asked).toEqual(['change 10']);
  });

  test('get an answer each, and one that is not made takes no other along', async () => {
    const { ask, answers } = await scene();
    await ask(2, redeem('B'));
    const all = [
      ask(1, redeem('A')),
      ask(2, redeem('A')),
      ask(11, redeem('A')),
      ask(99, redeem('A')),
      ask(3, redeem('A'), 'other'),
    ];
    expect(await answers(...all)).toEqual(['redeemed', 'already_redeemed', 'expired', 'no_row', 'no_row']);
  });
});

describe('calls about one coupon', () => {
  test('are never twice in the batches that are out, and exactly one redeems it', async () => {
    const batches: number[] = [];
    const { ask, answers } = await scene((change) => async (changes) => {
      batches.push(changes.length);
      return change(changes);
    });
    const told = await answers(...Array.from({ length: 20 }, (_, i) => ask(1, redeem(`order-${i}`))));
    expect(told.sort()).toEqual([...Array.from({ length: 19 }, () => 'already_redeemed'), 'redeemed']);
    expect(Math.max(...batches)).toBe(1);
  });

  test('are answered in their order', async () => {
    const { ask, answers } = await scene();
    const calls = [redeem('A'), unredeem('A'), redeem('A'), redeem('B'), unredeem('B'), unredeem('C')];
    const expected = ['redeemed', 'unredeemed', 'redemption_undone', 'redeemed', 'unredeemed', 'not_redeemed'];
    expect(await answers(...calls.map((call) => ask(1, call)))).toEqual(expected);
  });
});

test('a call that ran out of time while it waited changes nothing, and those behind it get their turn, once each', async () => {
  let free = () => {};
  const freed = new Promise<void>((resolve) => {
    free = resolve;
  });
  const { ask, answers } = await scene((change) => async (changes) => {
    await freed;
    return change(changes);
  });
  const first = ask(1, redeem('A'));
  const impatient = [ask(1, unredeem('A'), undefined, 0), ask(1, unredeem('A'), undefined, 0)];
  const last = ask(1, redeem('B'));
  for (const call of impatient) expect(await call).toMatchObject({ answer: 'failed', outcome: 'not_applied' });
  // They are out of the queue, which has room for a hundred.
  const room = Array.from({ length: 98 }, (_, i) => ask(2, redeem(`order-${i}`)));
  await expect(ask(3, redeem('A'))).rejects.toMatchObject({ code: 'OVERLOADED' });
  free();
  expect(await answers(first, last)).toEqual(['redeemed', 'already_redeemed']);
  await answers(...room);
  const full = Array.from({ length: 100 }, (_, i) => ask(3, redeem(`order-${i}`)));
  await expect(ask(4, redeem('A'))).rejects.toMatchObject({ code: 'OVERLOADED' });
  expect((await answers(...full)).filter((answer) => answer === 'redeemed')).toHaveLength(1);
});

describe('a coupon that another transaction holds', () => {
  test('goes alone, and the others are answered before', async () => {
    let free = () => {};
    const freed = new Promise<void>((resolve) => {
      free = resolve;
    });
    const { ask, asked, answers } = await scene((change) => async (changes) => {
      if (changes.length === 1) await freed;
      const held = changes.length > 1 ? changes.findIndex(({ ref }) => 'code' in ref && ref.code === 'CODE3') : -1;
      const verdicts = [...(await change(changes.filter((_, i) => i !== held)))];
      if (held >= 0) verdicts.splice(held, 0, { changed: false, row: null, held: true });
      return verdicts;
    });
    const all = Array.from({ length: 10 }, (_, i) => ask(i + 1, redeem('A')));
    const others = all.filter((_, i) => i !== 2);
    // Calls that come with it do not take it into their batch, where it would be left out again.
    const later = others.map((call, i) => call.then(() => ask(100 + i, redeem('A'))));
    expect(new Set(await answers(...others))).toEqual(new Set(['redeemed']));
    expect(new Set(await answers(...later))).toEqual(new Set(['no_row']));
    free();
    expect(await all[2]).toMatchObject({ answer: 'redeemed', changed: true });
    expect(asked.toSorted()).toEqual(['change 1', 'change 10', 'change 9']);
  });
});

test('calls above maxQueued are refused before any I/O, also those that wait for one coupon', async () => {
  const { ask, asked, answers } = await scene();
  const all = Array.from({ length: 101 }, (_, i) => ask(1, redeem(`order-${i}`)));
  await expect(all.pop()).rejects.toMatchObject({ code: 'OVERLOADED', retryAfterMs: 1000 });
  expect((await answers(...all)).filter((answer) => answer === 'redeemed')).toHaveLength(1);
  expect(asked.length).toBeGreaterThanOrEqual(100);
  expect(await ask(2, redeem('A'))).toMatchObject({ answer: 'redeemed' });
});

describe('a change', () => {
  test('whose reply was lost is looked for, and is not made twice', async () => {
    const { ask, asked, memory } = await scene((change, nth) => async (changes) => {
      const made = await change(changes);
      if (nth === 1) throw new Error('connection reset');
      return made;
    });
    expect(await ask(1, redeem('A'))).toMatchObject({ answer: 'redeemed', changed: true });
    expect(asked).toEqual(['change 1', 'look 1']);
    expect((await memory.look([{ campaignId: 'c', code: 'CODE1' }]))[0]!.life).toMatchObject({ version: 1, by: 'A' });
  });

  test('that was lost before it ran is sent again', async () => {
    const { ask, asked } = await scene((change, nth) => async (changes) => {
      if (nth === 1) throw new Error('connection reset');
      return change(changes);
    });
    expect(await ask(1, redeem('A'))).toMatchObject({ answer: 'redeemed', changed: true });
    expect(asked).toEqual(['change 1', 'look 1', 'change 1']);
  });

  test('of an expired coupon that is in doubt is ended by a change that counts up', async () => {
    const held: CouponChange[] = [];
    const { ask, memory } = await scene((change, nth) => async (changes) => {
      if (nth > 1) return change(changes);
      held.push(...changes);
      throw new Error('connection reset');
    });
    expect(await ask(11, redeem('A'))).toMatchObject({ answer: 'expired', changed: true });
    expect(await memory.change(held.map((one) => ({ ...one, unexpired: false })))).toMatchObject([{ changed: false }]);
  });

  test('that finds no row while an attempt is in doubt is unknown, because row and statement may still come', async () => {
    const { ask, asked } = await scene((change, nth) => async (changes) => {
      if (nth === 1) throw new Error('connection reset');
      return change(changes);
    });
    expect(await ask(99, redeem('A'))).toMatchObject({ answer: 'failed', outcome: 'unknown' });
    expect(asked).toEqual(['change 1', 'look 1']);
  });

  test('of a row that is saved behind the statement is made again, and the coupon has not expired', async () => {
    const { ask, asked } = await scene((change, nth) => async (changes) => {
      if (nth > 1) return change(changes);
      return [{ changed: false, row: coupon(1, { state: 'issued', expiresAt: EXPIRY }) }];
    });
    expect(await ask(1, redeem('A'))).toMatchObject({ answer: 'redeemed', changed: true });
    expect(asked).toEqual(['change 1', 'change 1']);
  });

  test('of an id that redeemed the coupon long before does not count as made, though its reply is lost', async () => {
    const { ask, memory } = await scene(() => async () => {
      throw new Error('connection reset');
    });
    const ref = { campaignId: 'c', code: 'CODE1' };
    await memory.change([{ ref, version: 0, unexpired: false }]);
    await memory.change([{ ref, version: 1, unexpired: true, to: { state: 'redeemed', by: 'A' } }]);
    expect(await ask(1, redeem('A'))).toMatchObject({ answer: 'redeemed', changed: false });
  });

  test('that never answers is unknown, and says so before its statement could arrive', async () => {
    const { ask, asked } = await scene(() => async () => {
      throw new Error('connection reset');
    });
    expect(await ask(1, redeem('A'))).toMatchObject({ answer: 'failed', outcome: 'unknown' });
    expect(asked.filter((one) => one.startsWith('change'))).toHaveLength(5);
  });

  test('that the database refuses for certain changed nothing, alone among its neighbours', async () => {
    const { ask, answers } = await scene((change) => async (changes) => {
      if (changes.some(({ ref }) => 'code' in ref && ref.code === 'CODE4')) throw new NotSavedError('no');
      return change(changes);
    });
    const outcomes = Array.from({ length: 10 }, (_, i) => ask(i + 1, redeem('A')));
    expect(await answers(...outcomes)).toEqual(Array.from({ length: 10 }, (_, i) => (i === 3 ? 'failed' : 'redeemed')));
    expect(await outcomes[3]).toMatchObject({ outcome: 'not_applied' });
  });

  test('of a row that is always changed meanwhile gives up, having changed nothing', async () => {
    const { ask, memory } = await scene((change) => async (changes) => {
      const [one] = changes;
      await memory.change([{ ref: one!.ref, version: one!.version, unexpired: false }]);
      return change(changes);
    });
    expect(await ask(1, redeem('A'))).toMatchObject({ answer: 'failed', outcome: 'not_applied' });
  });

  test.each<[string, unknown]>([
    ['says nothing', undefined],
    ['has one verdict too few', []],
    ['says yes and no row', [{ changed: true, row: null }]],
    ['says yes and the row of before', [{ changed: true, row: coupon(1) }]],
    ['gives the row of another coupon', [{ changed: false, row: coupon(2) }]],
    ['leaves out the only change as held', [{ changed: false, row: null, held: true }]],
    [
      'gives a redemption without its time',
      [{ changed: false, row: { ...coupon(1), life: { ...REDEEMED, at: null } } }],
    ],
    ['gives a life that is none', [{ changed: false, row: { ...coupon(1), life: { version: -1 } } }]],
  ])('of an adapter that %s is unknown', async (_, said) => {
    const { ask } = await scene(() => async () => said as ChangeVerdict[]);
    expect(await ask(1, redeem('A'))).toMatchObject({ answer: 'failed', outcome: 'unknown' });
  });
});
