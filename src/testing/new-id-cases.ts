import { assertSame, wordsOf } from './assertions.js';
import { ask, byCode, changing, given, REVOKE } from './changing.js';
import type { Case } from './stage.js';

/** Saves of ids under which no call was made before: an adapter need not look for them. */
export const newIdCases: Case[] = [
  {
    name: 'of rows with new ids each that is in the way of another one keeps its verdict',
    check: async (stage) => {
      await stage.adapter.check?.();
      const [first, second, third] = stage.issuances(3);
      await stage.given(first!, second!, third!);
      const batch = [
        stage.issuance(),
        stage.issuance({ serial: first!.serial }),
        stage.issuance({ userId: second!.userId }),
        stage.issuance({ code: third!.code }),
        stage.issuance(),
      ];
      const words = ['saved', 'serial_conflict', 'user_conflict', 'code_conflict', 'saved'] as const;
      assertSame('verdicts', wordsOf(await stage.saveNew(...batch)), words);
      await stage.expectStored(first!, second!, third!, batch[0]!, batch[4]!);
    },
  },
  changing('a new id is looked for after all where a grant of its campaign is free again', async (stage) => {
    await stage.adapter.check?.();
    const [row, other] = [await given(stage), await given(stage)];
    await ask(stage, [byCode(other), { ...REVOKE, freesGrant: true }]);
    const late = stage.issuance({ id: row.id, userId: row.userId, grant: 2 });
    assertSame('verdicts', wordsOf(await stage.saveNew(late, stage.issuance())), ['user_conflict', 'saved']);
  }),
];
