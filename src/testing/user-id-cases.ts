import assert from 'node:assert/strict';
import type { Case } from './stage.js';
import { SPELLINGS } from './user-ids.js';

/** The spellings of user ids that an adapter judges. */
export const userIdCases: Case[] = [
  {
    name: 'each spelling of a user id has a fault, or comes back as it went in',
    needs: ['userIdFault'],
    check: async (stage) => {
      const rows = SPELLINGS.filter((userId) => stage.isUserId(userId)).map((userId) => stage.issuance({ userId }));
      for (const row of rows) await stage.given(row);
      await stage.expectStored(...rows);
      for (const row of rows) await stage.expectUserConflict(stage.issuance({ userId: row.userId }), row);
    },
  },
  {
    name: 'userIdFault finds no fault in the ids of users, and says of others what an id must be',
    needs: ['userIdFault'],
    check: async (stage) => {
      const { adapter } = stage;
      for (let n = 0; n < 10; n++)
        assert.equal(adapter.userIdFault!(stage.userId()), null, 'the id of a user has no fault');
      for (const userId of SPELLINGS) {
        const fault: unknown = adapter.userIdFault!(userId);
        if (fault === null) continue;
        assert.ok(typeof fault === 'string' && fault.trim() !== '', 'a fault is a text, and no fault is null');
        // The ends of a range may be in it.
        assert.ok(!/kim/i.test(userId) || !fault.includes(userId), 'a fault quotes no user id');
      }
    },
  },
  {
    name: 'a row of a user id with a fault is not stored, and takes no neighbour along',
    needs: ['userIdFault'],
    check: async (stage) => {
      const wrong = SPELLINGS.filter((userId) => !stage.isUserId(userId)).map((userId) => stage.issuance({ userId }));
      const [before, after] = [stage.issuance(), stage.issuance()];
      const { verdicts, denied } = await stage.attempt([before, ...wrong, after]);
      if (verdicts) {
        const words = verdicts.map(({ verdict }) => verdict);
        assert.deepEqual(words, ['saved', ...wrong.map(() => 'refused'), 'saved']);
        await stage.expectStored(before, after);
      } else {
        assert.ok(denied, 'a batch with such rows ends in verdicts or in a NotSavedError');
        await stage.expectStored();
        await stage.given(before, after);
      }
    },
  },
];
