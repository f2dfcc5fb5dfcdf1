import assert from 'node:assert/strict';
import { isReason } from '../model/check.js';
import type { SaveVerdict } from '../persistence/adapter.js';
import { wordsOf } from './assertions.js';
import type { Case } from './stage.js';

/** Rows that the database never accepts, because they are of this user. */
export function refusalCases(userId: string): Case[] {
  return [
    {
      name: 'a row that the database never accepts is refused with a word for clients, and not stored',
      check: async (stage) => {
        const row = stage.issuance({ userId });
        for (let time = 0; time < 2; time++) {
          const [verdict] = await stage.save(row);
          assertRefused(verdict);
          await stage.expectStored();
        }
      },
    },
    {
      name: 'a row that the database never accepts takes no neighbour along',
      check: async (stage) => {
        const batch = [stage.issuance(), stage.issuance({ userId }), stage.issuance()];
        const [before, refused, after] = batch;
        let { verdicts, denied } = await stage.attempt([...batch]);
        if (!verdicts) {
          // Saved in halves then, down to one row: so an adapter may refuse a row only where it stands alone.
          assert.ok(denied, 'a batch with such a row ends in verdicts or in a NotSavedError');
          await stage.expectStored();
          verdicts = [];
          for (const one of batch) verdicts = verdicts.concat(await stage.save(one));
        }
        assert.deepEqual(wordsOf(verdicts), ['saved', 'refused', 'saved']);
        assertRefused(verdicts[batch.indexOf(refused!)]);
        await stage.expectStored(before!, after!);
      },
    },
  ];
}

function assertRefused(verdict: SaveVerdict | undefined): void {
  assert.equal(verdict?.verdict, 'refused');
  const { reason } = verdict as { reason?: unknown };
  assert.ok(isReason(reason), 'reason is 1–128 bytes of text without control characters');
}
