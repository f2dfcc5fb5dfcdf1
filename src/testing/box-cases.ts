import assert from 'node:assert/strict';
import type { CouponTally } from '../model/coupon.js';
import type { Issuance } from '../model/issuance.js';
import { firstRedeem, type RowChange, UNTOUCHED } from '../model/life.js';
import { assertIssuances, assertSame } from './assertions.js';
import { ask, assertLife, byCode, given, listByUser } from './changing.js';
import type { Case, Need, Stage } from './stage.js';

const HOUR_MS = 3_600_000;
/** More than any adapter needs to read. */
const MAX_UNITS = 20;
const NONE: CouponTally = { issued: 0, redeemed: 0, expired: 0, revoked: 0, returned: 0 };
const REVOKE: RowChange = { version: 0, unexpired: false, to: { state: 'revoked', by: 'R' } };
const RETURN: RowChange = { ...REVOKE, unitReturned: true, freesGrant: true };

/** The rows of a user, the campaigns that there are, and the counts of one. */
export const boxCases: Case[] = [
  boxing('listByUser gives the coupons of the user with all their fields, the newest first', async (stage) => {
    const userId = stage.userId();
    const own = [3, 1, 2].map((age) => stage.issuance({ userId, grant: age, issuedAt: at(-age), code: null }));
    await stage.given(...own, stage.issuance());
    const rows = await listByUser(stage, [userId], { campaignIds: [stage.campaignId] });
    assertIssuances(rows, [own[1]!, own[2]!, own[0]!]);
    for (const row of rows) assertLife(row, row, UNTOUCHED);
  }),
  boxing('listByUser gives no coupon of another user, whose id differs in case or by a space', async (stage) => {
    const userId = stage.isUserId('kim k') ? `kim ${stage.campaignId} k` : stage.userId();
    const own = stage.issuance({ userId });
    const spelt = [userId.toUpperCase(), `${userId} `, ` ${userId}`, `${userId}x`, userId.replace(/.$/, '_')];
    const others = [...spelt.filter((other) => other !== userId && stage.isUserId(other)), stage.userId()];
    await stage.given(own, ...others.map((other) => stage.issuance({ userId: other })));
    assertIssuances(await listByUser(stage, [userId], { campaignIds: [stage.campaignId] }), [own]);
  }),
  boxing('listByUser gives the coupons of the campaigns named, and of no other', async (stage) => {
    const ids = ['a_b', 'a.b', 'axb', 'a'].map((name) => `${stage.campaignId}-${name}`);
    const userId = stage.userId();
    const stored = ids.map((campaignId) => stage.issuance({ campaignId, userId }));
    await stage.given(...stored);
    for (const [i, id] of ids.entries())
      assertIssuances(await listByUser(stage, [userId], { campaignIds: [id] }), [stored[i]!]);
    const two = await listByUser(stage, [userId], { campaignIds: [ids[3]!, `${stage.campaignId}-none`, ids[0]!] });
    assertSame('campaigns', two.map(({ campaignId }) => campaignId).toSorted(), [ids[3]!, ids[0]!]);
  }),
  boxing('listByUser gives at most limit, the newest of all campaigns', async (stage) => {
    const campaignIds = ['a', 'b'].map((name) => `${stage.campaignId}-${name}`);
    const userId = stage.userId();
    const stored = [4, 1, 3, 2].map((age, i) =>
      stage.issuance({ campaignId: campaignIds[i % 2]!, userId, grant: i + 1, issuedAt: at(-age) }),
    );
    await stage.given(...stored);
    const newest = [stored[1]!, stored[3]!, stored[2]!];
    assertIssuances(await listByUser(stage, [userId], { campaignIds, limit: 3 }), newest);
    assertIssuances(await listByUser(stage, [userId], { campaignIds, limit: 1 }), newest.slice(0, 1));
  }),
  boxing('listByUser may be asked of 200 users in 300 campaigns at once', async (stage) => {
    const campaignIds = Array.from({ length: 300 }, (_, i) => `${stage.campaignId}-${i}`);
    const userIds = Array.from({ length: 200 }, () => stage.userId());
    const stored = userIds.map((userId, i) => stage.issuance({ userId, campaignId: campaignIds[i + 100]! }));
    await stage.given(...stored, ...campaignIds.map((campaignId) => stage.issuance({ campaignId })));
    const rows = await listByUser(stage, userIds, { campaignIds });
    assertSame('ids', rows.map(({ id }) => id).toSorted(), stored.map(({ id }) => id).toSorted());
  }),
  boxing('listByUser of nobody, or of no campaign, is empty', async (stage) => {
    const { campaignId, userId } = await given(stage);
    assert.deepEqual(await listByUser(stage, [], { campaignIds: [campaignId] }), []);
    assert.deepEqual(await listByUser(stage, [userId], { campaignIds: [] }), []);
    assert.deepEqual(await listByUser(stage, [stage.otherThan(userId)], { campaignIds: [campaignId] }), []);
  }),
  boxing(
    'listByUser gives a coupon whatever became of it, and whether its grant is freed',
    async (stage) => {
      const userId = stage.userId();
      const changes = [firstRedeem('A'), REVOKE, RETURN];
      const rows: Issuance[] = [];
      for (const [i, change] of changes.entries()) {
        const row = await given(stage, -HOUR_MS, { userId, grant: i + 1, issuedAt: at(i) });
        rows.push((await ask(stage, [byCode(row), { ...change, unexpired: false }]))[0]!.row!);
      }
      const found = await listByUser(stage, [userId], { campaignIds: [stage.campaignId] });
      assert.equal(found.length, rows.length);
      for (const [i, row] of rows.toReversed().entries()) assertLife(found[i], row, row.life!);
    },
    ['look', 'change'],
  ),
  boxing(
    'listByUser that cannot reach the database throws: an empty answer would hide coupons',
    async (stage) => {
      const row = await given(stage);
      const { campaignId, userId } = row;
      await readAtEveryUnit(
        stage,
        () => listByUser(stage, [userId], { campaignIds: [campaignId] }),
        [row],
        assertIssuances,
      );
    },
    ['wire'],
  ),
  listing('campaigns gives every campaign with a coupon once, as it is written', async (stage) => {
    const ids = ['a', 'A', 'b'].map((name) => `${stage.campaignId}-${name}`);
    for (const campaignId of ids) await stage.given(stage.issuance({ campaignId }), stage.issuance({ campaignId }));
    assertSame('campaigns', await ownCampaigns(stage), ids.toSorted());
  }),
  listing(
    'campaigns gives a campaign whose coupons are all revoked, and none without a coupon',
    async (stage) => {
      const campaignId = `${stage.campaignId}-revoked`;
      const row = await given(stage, null, { campaignId });
      await ask(stage, [byCode(row), RETURN]);
      await ask(stage, [{ campaignId: `${stage.campaignId}-none`, code: 'NONE' }, REVOKE]);
      assertSame('campaigns', await ownCampaigns(stage), [campaignId]);
    },
    ['look', 'change'],
  ),
  listing(
    'campaigns that cannot reach the database throws',
    async (stage) => {
      const { campaignId } = await given(stage);
      await readAtEveryUnit(stage, () => ownCampaigns(stage), [campaignId], assert.deepEqual);
    },
    ['wire'],
  ),
  counting('count of a campaign without a coupon is zero of each', async (stage) => {
    await stage.given(stage.issuance({ campaignId: `${stage.campaignId}-other` }));
    assert.deepEqual(await count(stage), NONE);
  }),
  counting('count tells a coupon that is valid from one that expired, by the clock of the database', async (stage) => {
    for (const endsInMs of [null, HOUR_MS, -HOUR_MS, null]) await given(stage, endsInMs);
    assert.deepEqual(await count(stage), { ...NONE, issued: 3, expired: 1 });
  }),
  counting(
    'count counts a coupon once by its state, and its returned unit beside it',
    async (stage) => {
      const changes = [firstRedeem('A'), REVOKE, RETURN, { version: 0, unexpired: false, undone: 'x' }];
      for (const change of changes) {
        for (const endsInMs of [HOUR_MS, -HOUR_MS]) {
          const row = await given(stage, endsInMs);
          await ask(stage, [byCode(row), { ...change, unexpired: false }]);
        }
      }
      assert.deepEqual(await count(stage), { issued: 1, redeemed: 2, expired: 1, revoked: 4, returned: 2 });
    },
    ['look', 'change'],
  ),
  counting(
    'count that cannot reach the database throws',
    async (stage) => {
      await given(stage);
      await readAtEveryUnit(stage, () => count(stage), { ...NONE, issued: 1 }, assert.deepEqual);
    },
    ['wire'],
  ),
];

type Check = (stage: Stage) => Promise<void>;

function boxing(name: string, check: Check, needs: readonly Need[] = []): Case {
  return { name, needs: ['listByUser', ...needs], check };
}

function listing(name: string, check: Check, needs: readonly Need[] = []): Case {
  return { name, needs: ['campaigns', ...needs], check };
}

function counting(name: string, check: Check, needs: readonly Need[] = []): Case {
  return { name, needs: ['count', ...needs], check };
}

/** So many hours after one instant. */
function at(hours: number): Date {
  return new Date(Date.UTC(2026, 0, 31, 23, 59, 59, 999) + hours * HOUR_MS);
}

/** Other cases may store in the same table. */
async function ownCampaigns(stage: Stage): Promise<readonly string[]> {
  const ids = await stage.adapter.campaigns!({ signal: new AbortController().signal });
  return ids.filter((id) => id.startsWith(stage.campaignId)).toSorted();
}

async function count(stage: Stage): Promise<CouponTally> {
  return stage.adapter.count!(stage.campaignId, { signal: new AbortController().signal });
}

/** Strikes each unit of a call in turn: it throws, or it has read everything in spite of the fault. */
async function readAtEveryUnit<T>(
  stage: Stage,
  read: () => Promise<T>,
  expected: T,
  assertRead: (actual: T, expected: T) => void,
): Promise<void> {
  for (let after = 0; after < MAX_UNITS; after++) {
    stage.wire.strike('unreachable', { after });
    const answer = await read().then(
      (value) => ({ value }),
      () => null,
    );
    const struck = stage.wire.calm();
    if (answer) assertRead(answer.value, expected);
    if (!struck) return assert.ok(answer, 'it answers when nothing is in its way');
  }
  assert.fail(`it takes more than ${MAX_UNITS} units of work to read`);
}
