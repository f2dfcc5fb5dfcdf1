import { describe, expect, test } from 'vitest';
import { monotonicMs } from '../../src/flow/deadline.js';
import { MemoryPersistence, NotReadyError, NotSavedError } from '../../src/index.js';
import { type LifeCall, type RevokeCall, UNTOUCHED } from '../../src/model/life.js';
import type { CouponRows, PersistenceAdapter } from '../../src/persistence/adapter.js';
import type { ChangeVerdict, CouponChange } from '../../src/persistence/coupon-change.js';
import { Changes } from '../../src/redeem/changes.js';
import type { Announce } from '../../src/redeem/look-and-change.js';
import { anIssuance } from './support.js';

const revoke: RevokeCall = { verb: 'revoke', id: 'R', unit: 'returned', again: false };
const redeem: LifeCall = { verb: 'redeem', id: 'A' };
const extend: LifeCall = { verb: 'extend', expiresAt: new Date(1) };

type Change = (changes: readonly CouponChange[]) => Promise<readonly ChangeVerdict[]>;

/** Ten coupons of one campaign, and what was asked for, in order. */
async function scene(wrap: (change: Change, nth: number) => Change = (change) => change, announce?: Announce) {
  const memory = new MemoryPersistence();
  const rows = Array.from({ length: 10 }, (_, i) => anIssuance(i + 1, { code: `CODE${i + 1}` }));
  await memory.save(rows);
  const log: string[] = [];
  let changed = 0;
  const adapter: PersistenceAdapter & CouponRows = {
    save: (issuances) => memory.save(issuances),
    look: async (refs) => {
      log.push(`look ${refs.length}`);
      return memory.look(refs);
    },
    change: async (changes) => {
      log.push(`change of ${changes.map(({ version }) => version).join()}`);
      return wrap((all) => memory.change(all), ++changed)(changes);
    },
  };
  const changes = new Changes(adapter, {
    maxBatch: 500,
    maxInFlight: 2,
    maxQueued: 100,
    announce: async (coupons) => {
      log.push(`announce ${coupons.map(({ row: { life = UNTOUCHED } }) => life.version).join()}`);
      return announce ? announce(coupons) : coupons.map(() => null);
    },
  });
  const ask = (serial: number, call: LifeCall, deadlineAt = monotonicMs() + 60_000) =>
    changes.change({ ref: { campaignId: rows[0]!.campaignId, code: `CODE${serial}` }, call, deadlineAt });
  const counted = (serial: number, version: number) =>
    memory.change([{ ref: { campaignId: rows[0]!.campaignId, code: `CODE${serial}` }, version, unexpired: false }]);
  return { ask, counted, log };
}

describe('a coupon that is about to be revoked', () => {
  test('is announced after the look and before the change, with its neighbours', async () => {
    const { ask, log } = await scene();
    const outcomes = await Promise.all([1, 2, 3].map((serial) => ask(serial, revoke)));
    expect(outcomes.map(({ answer }) => answer)).toEqual(['taken_back', 'taken_back', 'taken_back']);
    expect(log).toEqual(['look 3', 'announce 0,0,0', 'change of 0,0,0']);
  });

  test('is announced anew for each version on which it is decided', async () => {
    const { ask, counted, log } = await scene((change, nth) => async (changes) => {
      if (nth <= 2) await counted(1, nth - 1);
      return change(changes);
    });
    expect(await ask(1, revoke)).toMatchObject({ answer: 'taken_back', changed: true });
    expect(log).toEqual([
      'look 1',
      ...['announce 0', 'change of 0', 'announce 1', 'change of 1', 'announce 2', 'change of 2'],
    ]);
  });

  test('is not announced where the row has its answer, nor by a call that revokes nothing', async () => {
    const { ask, log } = await scene();
    await ask(1, redeem);
    expect(await ask(1, revoke)).toMatchObject({ answer: 'already_redeemed' });
    expect(await ask(2, extend)).toMatchObject({ answer: 'extended' });
    expect(await ask(99, revoke)).toEqual({ answer: 'no_row' });
    expect(log.filter((one) => one.startsWith('announce'))).toEqual([]);
  });

  test('stays as it is if Redis does not hear of it, alone among its neighbours', async () => {
    const away = new NotReadyError('away', 'missing');
    const { ask, log } = await scene(undefined, async (coupons) =>
      coupons.map(({ row }) => (row.serial === 2 ? away : null)),
    );
    const outcomes = await Promise.all([1, 2, 3].map((serial) => ask(serial, revoke)));
    expect(outcomes.map(({ answer }) => answer)).toEqual(['taken_back', 'not_announced', 'taken_back']);
    expect(outcomes[1]).toEqual({ answer: 'not_announced', error: away });
    expect(log.at(-1)).toBe('change of 0,0');
    expect(await ask(2, redeem)).toMatchObject({ answer: 'redeemed' });
  });

  test('whose first change is in doubt is unknown if Redis does not hear of the second', async () => {
    let announced = 0;
    const { ask } = await scene(
      () => async () => {
        throw new Error('connection reset');
      },
      async () => [++announced === 1 ? null : new NotReadyError('away', 'missing')],
    );
    expect(await ask(1, revoke)).toMatchObject({ answer: 'failed', outcome: 'unknown' });
  });

  test('has all its time for the change, however long Redis takes', async () => {
    const deadlineAt = monotonicMs() + 500;
    const { ask, log } = await scene(undefined, async (coupons) => {
      while (monotonicMs() < deadlineAt);
      return coupons.map(() => null);
    });
    expect(await ask(1, revoke, deadlineAt)).toMatchObject({ answer: 'taken_back', changed: true });
    expect(log).toEqual(['look 1', 'announce 0', 'change of 0']);
  });

  test('keeps no redemption waiting while Redis does not answer, and none of the same coupon', async () => {
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const { ask } = await scene(undefined, async (coupons) => {
      await answered;
      return coupons.map(() => null);
    });
    const order: string[] = [];
    const noted = (serial: number, call: LifeCall) => ask(serial, call).then((outcome) => order.push(outcome.answer));
    const all = [noted(1, revoke), noted(2, redeem), noted(3, revoke), noted(4, redeem), noted(3, redeem)];
    for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    expect(order).toEqual(['redeemed', 'redeemed', 'redeemed']);
    answer();
    await Promise.all(all);
    expect(order).toEqual(['redeemed', 'redeemed', 'redeemed', 'taken_back', 'already_redeemed']);
  });

  test('is announced once for a batch of which the database refuses one change', async () => {
    const { ask, log } = await scene((change) => async (changes) => {
      if (changes.some(({ ref }) => 'code' in ref && ref.code === 'CODE2')) throw new NotSavedError('no');
      return change(changes);
    });
    const outcomes = await Promise.all([1, 2, 3].map((serial) => ask(serial, revoke)));
    expect(outcomes.map(({ answer }) => answer)).toEqual(['taken_back', 'failed', 'taken_back']);
    expect(log.filter((one) => one.startsWith('announce'))).toEqual(['announce 0,0,0']);
  });
});
