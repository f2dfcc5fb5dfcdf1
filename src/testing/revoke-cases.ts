import assert from 'node:assert/strict';
import { assertUserConflict } from './assertions.js';
import { ask, byCode, changing, expectSeen, given, REVOKE } from './changing.js';
import type { Case } from './stage.js';

/** Coupons that were revoked, and what stands in the way of a save then. */
export const revokeCases: Case[] = [
  changing('a grant that is freed can be saved anew, and its old row keeps its id, serial and code', async (stage) => {
    const row = await given(stage);
    const [verdict] = await ask(stage, [byCode(row), { ...REVOKE, freesGrant: true }]);
    assert.equal(verdict!.row!.grant, 0);
    await stage.given(stage.issuance({ userId: row.userId, grant: row.grant }));
    await stage.expectUserConflict(row, verdict!.row!);
    await expectSeen(stage, verdict!.row!);
    await stage.expectSave([stage.issuance({ serial: row.serial })], ['serial_conflict']);
    await stage.expectSave([stage.issuance({ code: row.code })], ['code_conflict']);
  }),
  changing('two grants of one user that were freed stand in no way', async (stage) => {
    const { userId } = await given(stage);
    for (let round = 0; round < 2; round++) {
      const row = await given(stage, null, { userId, grant: 2 });
      await ask(stage, [byCode(row), { ...REVOKE, freesGrant: true }]);
    }
    await stage.given(stage.issuance({ userId, grant: 2 }));
  }),
  changing('a save of a coupon that was revoked is told user_conflict with its row', async (stage) => {
    for (const revoked of [REVOKE, { ...REVOKE, freesGrant: true } as const]) {
      const [row, other] = [await given(stage), await given(stage)];
      const [verdict] = await ask(stage, [byCode(row), revoked]);
      for (const batch of [[row], [other, row]]) {
        const verdicts = await stage.save(...batch);
        assertUserConflict(verdicts.at(-1), verdict!.row!);
      }
      await expectSeen(stage, verdict!.row!);
    }
  }),
];
