import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import type { Issuance } from '../model/issuance.js';
import { firstRedeem, UNTOUCHED } from '../model/life.js';
import type { CouponRows } from '../persistence/adapter.js';
import type { ChangeVerdict } from '../persistence/coupon-change.js';
import { askInTwo, assertChanged, assertLife, byCode, expectSeen, given, look } from './changing.js';
import type { Case, Stage } from './stage.js';

/** Runs work in a transaction of its own, with its client as `within` takes it, and commits. If the work throws, it rolls back and throws the same. */
export type InTransaction = (work: (client: object) => Promise<void>) => Promise<unknown>;

/** By then, a change that waits for nothing has been made. */
const SOON_MS = 200;

/** The tools of one case: two coupons, which were saved before. A store of one connection saves none meanwhile. */
interface TransactionScene {
  readonly row: Issuance;
  readonly other: Issuance;
  readonly inTransaction: InTransaction;
}

type TransactionCheck = (stage: Stage, scene: TransactionScene) => Promise<void>;

/** `look` and `change` in a transaction of the caller. */
export function withinCases(inTransaction: InTransaction): Case[] {
  return Object.entries(RULES).map(([name, check]) => ({
    name,
    needs: ['look', 'change', 'within'],
    check: async (stage) => check(stage, { row: await given(stage), other: await given(stage), inTransaction }),
  }));
}

const RULES: Readonly<Record<string, TransactionCheck>> = {
  'a change in a transaction is there once that is committed': async (stage, { row, inTransaction }) => {
    let verdict: ChangeVerdict | undefined;
    await inTransaction(async (client) => {
      const rows = await rowsIn(stage, client);
      assertLife(await lookIn(rows, row), row, UNTOUCHED);
      verdict = await redeemIn(rows, row);
    });
    assertChanged(verdict, row, { version: 1, state: 'redeemed', by: 'A' });
    await expectSeen(stage, verdict!.row!);
  },
  'a change in a transaction that is rolled back was never made': async (stage, { row, inTransaction }) => {
    await rolledBack(inTransaction, async (client) => {
      await redeemIn(await rowsIn(stage, client), row);
    });
    await expectSeen(stage, row);
  },
  'a coupon that was looked at in a transaction is changed by nobody else until that ends': async (
    stage,
    { row, inTransaction },
  ) => {
    let rival: Promise<readonly ChangeVerdict[]> | undefined;
    await inTransaction(async (client) => {
      const rows = await rowsIn(stage, client);
      await lookIn(rows, row);
      rival = askInTwo(stage, [byCode(row), firstRedeem('B')]);
      assert.ok(!(await isMadeSoon(rival)), 'another change of the coupon waits for the transaction');
      assertChanged(await redeemIn(rows, row), row, { version: 1, state: 'redeemed', by: 'A' });
    });
    const [late] = await rival!;
    assert.equal(late!.changed, false);
    assertLife(late!.row, row, { version: 1, state: 'redeemed', by: 'A' });
  },
  'a transaction shows a coupon as it is now, or throws, though it began before a change': async (
    stage,
    { row, other, inTransaction },
  ) => {
    let rival: Promise<readonly ChangeVerdict[]> | undefined;
    await rolledBack(inTransaction, async (client) => {
      const rows = await rowsIn(stage, client);
      await lookIn(rows, other);
      rival = askInTwo(stage, [byCode(row), firstRedeem('B')]);
      // A store of one connection makes it after the transaction.
      const isMade = await isMadeSoon(rival);
      const seen = await lookIn(rows, row).catch(() => null);
      if (isMade && seen) assertLife(seen, row, { version: 1, state: 'redeemed', by: 'B' });
    });
    await rival;
  },
  'a change in a transaction under a signal that was aborted is not made': async (stage, { row, inTransaction }) => {
    await inTransaction(async (client) => {
      await redeemIn(await rowsIn(stage, client), row, AbortSignal.abort()).catch(() => {});
    });
    await expectSeen(stage, row);
  },
  'the client of a transaction that is over is refused, and changes nothing': async (stage, { row, inTransaction }) => {
    let kept: object = {};
    await inTransaction(async (client) => {
      kept = client;
    });
    const late = rowsIn(stage, kept).then((rows) => redeemIn(rows, row));
    await assert.rejects(late, 'the client is refused');
    assertLife((await look(stage, [byCode(row)]))[0], row, UNTOUCHED);
  },
};

async function rolledBack(inTransaction: InTransaction, work: (client: object) => Promise<void>): Promise<void> {
  let isDone = false;
  try {
    await inTransaction(async (client) => {
      await work(client);
      isDone = true;
      throw new Error('rolled back by the kit');
    });
  } catch (error) {
    if (!isDone) throw error;
  }
}

async function rowsIn(stage: Stage, client: object): Promise<CouponRows> {
  return stage.adapter.within!(client as never);
}

async function lookIn(rows: CouponRows, row: Issuance): Promise<Issuance | null> {
  const [found = null] = await rows.look(Object.freeze([byCode(row)]), { signal: new AbortController().signal });
  return found;
}

async function redeemIn(
  rows: CouponRows,
  row: Issuance,
  signal: AbortSignal = new AbortController().signal,
): Promise<ChangeVerdict | undefined> {
  const [verdict] = await rows.change(Object.freeze([{ ref: byCode(row), ...firstRedeem('A') }]), { signal });
  return verdict;
}

async function isMadeSoon(change: Promise<readonly ChangeVerdict[]>): Promise<boolean> {
  const made = change.then(
    ([verdict]) => verdict?.changed === true,
    () => false,
  );
  return Promise.race([made, pause(SOON_MS, false)]);
}
