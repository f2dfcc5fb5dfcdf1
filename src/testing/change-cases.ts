import assert from 'node:assert/strict';
import { isNotSaved } from '../model/errors.js';
import type { Issuance } from '../model/issuance.js';
import { firstRedeem, type RowChange, UNTOUCHED } from '../model/life.js';
import type { CouponRef } from '../persistence/coupon-change.js';
import { assertSame } from './assertions.js';
import {
  type AskedChange,
  ask,
  askInTwo,
  assertChanged,
  assertLife,
  byCode,
  change,
  changing,
  expectSeen,
  given,
  look,
  REVOKE,
} from './changing.js';
import type { Case, Need, Stage } from './stage.js';
import type { Fault } from './wire.js';

const HOUR_MS = 3_600_000;
/** More than any adapter needs for one change. */
const MAX_UNITS = 20;
/** A change that only counts up. */
const COUNT_UP: RowChange = { version: 0, unexpired: false };

/** The life of a coupon after its issue: `look` and `change`. */
export const changeCases: Case[] = [
  changing('a change of the right version is made as a whole, and counts up', async (stage) => {
    const row = await given(stage);
    const expiresAt = new Date(Date.now() + HOUR_MS);
    const change: RowChange = { ...REVOKE, undone: 'abc', expiresAt };
    const [verdict] = await ask(stage, [byCode(row), change]);
    assertChanged(
      verdict,
      row,
      { version: 1, state: 'revoked', by: 'R', undone: 'abc', unitReturned: true },
      expiresAt,
    );
    await expectSeen(stage, verdict!.row!);
  }),
  changing('a change of another version changes nothing, and gives the row as it is', async (stage) => {
    const row = await given(stage);
    await ask(stage, [byCode(row), firstRedeem('A')]);
    for (const version of [0, 2]) {
      const [verdict] = await ask(stage, [byCode(row), { ...firstRedeem('B'), version }]);
      assert.equal(verdict!.changed, false);
      assertLife(verdict!.row, row, { version: 1, state: 'redeemed', by: 'A' });
    }
  }),
  changing('a change without a state keeps state, time and id', async (stage) => {
    const row = await given(stage);
    const [first] = await ask(stage, [byCode(row), firstRedeem('A')]);
    const [second] = await ask(stage, [byCode(row), { version: 1, unexpired: false, undone: 'abc' }]);
    assertChanged(second, row, { version: 2, state: 'redeemed', by: 'A', undone: 'abc' });
    assert.deepEqual(second!.row!.life!.at, first!.row!.life!.at);
  }),
  changing('a change to issued says so, with its time and without an id', async (stage) => {
    const row = await given(stage);
    await ask(stage, [byCode(row), firstRedeem('A')]);
    const back: RowChange = { version: 1, unexpired: false, to: { state: 'issued', by: null } };
    assertChanged((await ask(stage, [byCode(row), back]))[0], row, { version: 2, state: 'issued', by: null });
  }),
  changing('the time of a change is of the database, within an hour of this process', async (stage) => {
    const row = await given(stage);
    const [verdict] = await ask(stage, [byCode(row), firstRedeem('A')]);
    const { at } = verdict!.row!.life!;
    assert.ok(at && Math.abs(at.getTime() - Date.now()) < HOUR_MS, 'at is an instant, in whatever time zone');
  }),
  changing('a coupon that must not have expired is changed before its end, and not after it', async (stage) => {
    const [past, soon, never] = [await given(stage, -HOUR_MS), await given(stage, HOUR_MS), await given(stage, null)];
    const verdicts = await ask(
      stage,
      ...[past, soon, never].map((row): AskedChange => [byCode(row), firstRedeem('A')]),
    );
    assertSame(
      'changed',
      verdicts.map(({ changed }) => changed),
      [false, true, true],
    );
    assertLife(verdicts[0]!.row, past, UNTOUCHED);
    const [late] = await ask(stage, [byCode(past), COUNT_UP]);
    assertChanged(late, past, { version: 1 });
  }),
  changing('a later end of a coupon holds for the next change', async (stage) => {
    const row = await given(stage, -HOUR_MS);
    const expiresAt = new Date(Date.now() + HOUR_MS);
    await ask(stage, [byCode(row), { ...COUNT_UP, expiresAt }]);
    const [verdict] = await ask(stage, [byCode(row), { ...firstRedeem('A'), version: 1 }]);
    assertChanged(verdict, row, { version: 2, state: 'redeemed', by: 'A' }, expiresAt);
  }),
  changing('a coupon is found by its code, by id and user, and by id and serial', async (stage) => {
    const row = await given(stage);
    const { campaignId, id, userId, serial } = row;
    const refs: CouponRef[] = [
      byCode(row),
      { ...byCode(row), userId },
      { campaignId, id, userId },
      { campaignId, id, serial },
    ];
    for (const found of await look(stage, refs)) assertLife(found, row, UNTOUCHED);
    for (const [version, ref] of refs.entries()) {
      const [verdict] = await ask(stage, [ref, { version, unexpired: true, undone: String(version) }]);
      assertChanged(verdict, row, { version: version + 1, undone: String(version) });
    }
  }),
  changing('the coupon of another user, serial, campaign or spelling is not found, and not changed', async (stage) => {
    const row = await given(stage, null, { code: 'Abc-1' });
    const { campaignId, id, userId, serial } = row;
    const refs: CouponRef[] = [
      { campaignId, code: 'Abc-1', userId: stage.otherThan(userId) },
      { campaignId, code: 'abc-1' },
      { campaignId, code: 'Abc-1 ' },
      { campaignId: `${campaignId}x`, code: 'Abc-1' },
      { campaignId, id, userId: stage.otherThan(userId) },
      { campaignId, id, serial: serial + 1 },
      { campaignId: `${campaignId}x`, id, userId },
      { campaignId, id: id.toUpperCase() === id ? id.toLowerCase() : id.toUpperCase(), userId },
    ];
    assertSame(
      'looked',
      await look(stage, refs),
      refs.map(() => null),
    );
    const verdicts = await ask(stage, ...refs.map((ref): AskedChange => [ref, firstRedeem('A')]));
    assertSame(
      'verdicts',
      verdicts,
      refs.map(() => ({ changed: false, row: null })),
    );
    await expectSeen(stage, row);
  }),
  changing('verdicts come in the order asked, and one that is not made takes no other along', async (stage) => {
    const rows = [await given(stage), await given(stage), await given(stage, -HOUR_MS), await given(stage)];
    await ask(stage, [byCode(rows[1]!), COUNT_UP]);
    const missing: AskedChange = [{ campaignId: stage.campaignId, code: 'NONE' }, firstRedeem('A')];
    const asked = rows.map((row): AskedChange => [byCode(row), firstRedeem('A')]);
    const verdicts = await ask(stage, ...asked.slice(0, 3).reverse(), missing, asked[3]!);
    assertSame(
      'changed',
      verdicts.map(({ changed }) => changed),
      [false, false, true, false, true],
    );
    assertSame(
      'ids',
      verdicts.map(({ row }) => row?.id),
      [rows[2]!.id, rows[1]!.id, rows[0]!.id, undefined, rows[3]!.id],
    );
  }),
  changing('a batch may mix campaigns, ways to name a coupon, and kinds of change', async (stage) => {
    const other = { campaignId: `${stage.campaignId}-other` };
    const rows = [
      await given(stage),
      await given(stage, null, { ...other, code: null }),
      await given(stage),
      await given(stage, null, other),
    ];
    const [a, b, c, d] = rows as [Issuance, Issuance, Issuance, Issuance];
    const verdicts = await ask(
      stage,
      [byCode(a), firstRedeem('A')],
      [{ campaignId: b.campaignId, id: b.id, userId: b.userId }, REVOKE],
      [
        { campaignId: c.campaignId, id: c.id, serial: c.serial },
        { ...COUNT_UP, undone: 'x' },
      ],
      [{ ...byCode(d), userId: d.userId }, firstRedeem('D')],
    );
    assertChanged(verdicts[0], a, { version: 1, state: 'redeemed', by: 'A' });
    assertChanged(verdicts[1], b, { version: 1, state: 'revoked', by: 'R', unitReturned: true });
    assertChanged(verdicts[2], c, { version: 1, undone: 'x' });
    assertChanged(verdicts[3], d, { version: 1, state: 'redeemed', by: 'D' });
  }),
  changing('of a thousand changes every second one is made, if every second version is right', async (stage) => {
    const rows = stage.issuances(1_000);
    await stage.given(...rows);
    const asked = rows.map((row, i): AskedChange => [byCode(row), { ...firstRedeem(`order-${i}`), version: i % 2 }]);
    const verdicts = await ask(stage, ...asked);
    assertSame(
      'changed',
      verdicts.map(({ changed }) => changed),
      rows.map((_, i) => i % 2 === 0),
    );
    assertSame(
      'by',
      verdicts.map(({ row }) => row?.life?.by ?? null),
      rows.map((_, i) => (i % 2 === 0 ? `order-${i}` : null)),
    );
  }),
  changing(
    'of twenty simultaneous changes of one version exactly one is made, and the others see it',
    async (stage) => {
      const row = await given(stage);
      const orders = Array.from({ length: 20 }, (_, i) => `order-${i}`);
      const verdicts = (await Promise.all(orders.map((by) => ask(stage, [byCode(row), firstRedeem(by)])))).flat();
      const winner = orders.filter((_, i) => verdicts[i]!.changed);
      assert.equal(winner.length, 1);
      for (const verdict of verdicts) assertLife(verdict.row, row, { version: 1, state: 'redeemed', by: winner[0]! });
    },
  ),
  changing('two simultaneous batches that meet in opposite orders change each coupon once', async (stage) => {
    const rows = stage.issuances(50);
    await stage.given(...rows);
    const batch = (by: string, order: Issuance[]) =>
      askInTwo(stage, ...order.map((row): AskedChange => [byCode(row), firstRedeem(by)]));
    const [a, b] = await Promise.all([batch('A', rows), batch('B', rows.toReversed())]);
    assert.ok(a.length === 50 && b.length === 50);
    for (const found of await look(stage, rows.map(byCode))) {
      assert.equal(found?.life?.version, 1);
    }
  }),
  changing('a save after a change keeps the life of the row, and says saved', async (stage) => {
    const row = await given(stage, HOUR_MS);
    await ask(stage, [byCode(row), firstRedeem('A')]);
    await stage.given(row);
    await stage.given({ ...row, expiresAt: new Date(row.expiresAt!.getTime() + HOUR_MS) });
    const [found] = await look(stage, [byCode(row)]);
    assertLife(found, row, { version: 1, state: 'redeemed', by: 'A' });
  }),
  changing(
    'list, find and listByUser show the same life as look, of a coupon whose grant is freed as well',
    async (stage) => {
      const freed: RowChange = { ...REVOKE, freesGrant: true };
      for (const change of [firstRedeem('A'), { ...COUNT_UP, undone: 'x' }, REVOKE, freed]) {
        const row = await given(stage, HOUR_MS);
        const [verdict] = await ask(stage, [byCode(row), change]);
        await expectSeen(stage, verdict!.row!);
      }
    },
  ),
  changing('a change under a signal that was aborted changes nothing, or all of it and says so', async (stage) => {
    const row = await given(stage);
    const made = await change(stage, [[byCode(row), firstRedeem('A')]], AbortSignal.abort()).then(
      ([verdict]) => verdict!.changed,
      () => false,
    );
    const [found] = await look(stage, [byCode(row)]);
    assertLife(found, row, made ? { version: 1, state: 'redeemed', by: 'A' } : UNTOUCHED);
  }),
  wired('a change that cannot reach the database changes nothing', 'unreachable', async (stage, row, denied) => {
    await expectUnchangedIf(stage, row, denied);
  }),
  wired('a change that committed and lost the answer does not deny it', 'answer_lost', async (stage, row, denied) => {
    await expectUnchangedIf(stage, row, denied);
    const [again] = await ask(stage, [byCode(row), firstRedeem('A')]);
    assertLife(again!.row, row, { version: 1, state: 'redeemed', by: 'A' });
  }),
  wired('a change that arrives after a newer one changes nothing', 'late', async (stage, row) => {
    const [newer] = await ask(stage, [byCode(row), { ...COUNT_UP, undone: 'newer' }]);
    await stage.wire.arrive();
    await expectSeen(stage, newer!.row!);
  }),
];

/** Strikes each unit of a change in turn. `denied`: the adapter said that nothing was changed. */
function wired(
  name: string,
  fault: Fault,
  check: (stage: Stage, row: Issuance, denied: boolean) => Promise<void>,
): Case {
  const needs: readonly Need[] = ['look', 'change', 'wire'];
  return {
    name,
    needs,
    check: async (stage) => {
      for (let after = 0; after < MAX_UNITS; after++) {
        const row = await given(stage);
        stage.wire.strike(fault, { after });
        const denied = await ask(stage, [byCode(row), firstRedeem('A')]).then(() => false, isNotSaved);
        const struck = stage.wire.calm();
        await check(stage, row, denied);
        if (!struck) return;
      }
      assert.fail(`one change takes more than ${MAX_UNITS} units of work`);
    },
  };
}

async function expectUnchangedIf(stage: Stage, row: Issuance, denied: boolean): Promise<void> {
  const [found] = await look(stage, [byCode(row)]);
  if (denied) assertLife(found, row, UNTOUCHED);
}
