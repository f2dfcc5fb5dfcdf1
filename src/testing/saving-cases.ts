import assert from 'node:assert/strict';
import { assertUserConflict, wordsOf } from './assertions.js';
import type { Case } from './stage.js';

/** Batches and repeats, one after the other. */
export const savingCases: Case[] = [
  {
    name: 'a batch is saved: every issuance is told so and stored',
    check: async (stage) => {
      const batch = stage.issuances(3);
      await stage.given(...batch);
      await stage.expectStored(...batch);
    },
  },
  {
    name: 'five hundred issuances are saved in one batch',
    check: async (stage) => {
      const batch = stage.issuances(500);
      await stage.given(...batch);
      await stage.expectStored(...batch);
    },
  },
  {
    name: 'saving the same batch again says saved and stores nothing twice',
    check: async (stage) => {
      const batch = stage.issuances(3);
      await stage.given(...batch);
      await stage.given(...batch);
      await stage.expectStored(...batch);
    },
  },
  {
    name: 'a batch of which a part is stored already stores the rest and says saved to all',
    check: async (stage) => {
      const [first, second, third, fourth] = [stage.issuance(), stage.issuance(), stage.issuance(), stage.issuance()];
      await stage.given(second, fourth);
      await stage.given(first, second, third, fourth);
      await stage.expectStored(first, second, third, fourth);
    },
  },
  {
    name: 'an issuance that is stored is saved again under another epoch and time, and keeps its first',
    check: async (stage) => {
      const stored = stage.issuance();
      await stage.given(stored);
      await stage.given({ ...stored, epoch: '2-contract', issuedAt: new Date(stored.issuedAt.getTime() + 1) });
      const { userId, grant } = stored;
      await stage.expectUserConflict(stage.issuance({ userId, grant }), stored);
    },
  },
  {
    name: 'an issuance that is twice in one batch is stored once, and both are told saved',
    check: async (stage) => {
      const [issuance, other] = [stage.issuance(), stage.issuance()];
      await stage.given(issuance, other, issuance);
      await stage.expectStored(issuance, other);
    },
  },
  {
    name: 'a batch that mixes campaigns stores each issuance in its own',
    check: async (stage) => {
      const otherCampaign = { campaignId: `${stage.campaignId}-other` };
      const batch = [
        stage.issuance({ serial: 1 }),
        stage.issuance({ ...otherCampaign, serial: 1 }),
        stage.issuance({ serial: 2 }),
        stage.issuance({ ...otherCampaign, serial: 2 }),
      ];
      await stage.given(...batch);
      await stage.expectStored(...batch);
    },
  },
  {
    name: 'in a batch that mixes campaigns a conflict in one is none in the other',
    check: async (stage) => {
      const other = { campaignId: `${stage.campaignId}-other` };
      const [stored, inOther] = [stage.issuance(), stage.issuance(other)];
      await stage.given(stored, inOther);
      const { serial, code } = stored;
      const fresh = [stage.issuance({ ...other, serial }), stage.issuance({ ...other, code })];
      const refused = [stage.issuance({ serial }), stage.issuance({ code })];
      const batch = [fresh[0]!, refused[0]!, inOther, refused[1]!, fresh[1]!];
      await stage.expectSave(batch, ['saved', 'serial_conflict', 'saved', 'code_conflict', 'saved']);
      await stage.expectStored(stored, inOther, ...fresh);
    },
  },
  {
    name: 'one refused issuance does not take the others of its batch along',
    check: async (stage) => {
      const [taken, before, after] = [stage.issuance(), stage.issuance(), stage.issuance()];
      await stage.given(taken);
      const refused = stage.issuance({ serial: taken.serial });
      await stage.expectSave([before, refused, after], ['saved', 'serial_conflict', 'saved']);
      await stage.expectStored(taken, before, after);
    },
  },
  {
    name: 'verdicts come in the order of the issuances',
    check: async (stage) => {
      const [stored, first, last] = [stage.issuance(), stage.issuance(), stage.issuance()];
      await stage.given(stored);
      const batch = [
        first,
        stage.issuance({ serial: stored.serial }),
        stored,
        stage.issuance({ userId: stored.userId }),
        stage.issuance({ code: stored.code }),
        last,
      ];
      const verdicts = await stage.save(...batch);
      const words = ['saved', 'serial_conflict', 'saved', 'user_conflict', 'code_conflict', 'saved'];
      assert.deepEqual(wordsOf(verdicts), words);
      assert.deepEqual(wordsOf(await stage.save(...batch.toReversed())), words.toReversed(), 'and in reverse');
      await stage.expectStored(stored, first, last);
    },
  },
  {
    name: 'a refused issuance is not told saved because a neighbour in its batch got that serial',
    check: async (stage) => {
      const stored = stage.issuance();
      await stage.given(stored);
      const refused = stage.issuance({ userId: stored.userId });
      const neighbour = stage.issuance({ serial: refused.serial });
      const [first, second] = await stage.save(refused, neighbour);
      assertUserConflict(first, stored);
      assert.equal(second?.verdict, 'saved');
      await stage.expectStored(stored, neighbour);
    },
  },
  {
    name: 'of two issuances in one batch that want one serial exactly one is stored',
    check: async (stage) => {
      const first = stage.issuance();
      const second = stage.issuance({ serial: first.serial });
      const words = wordsOf(await stage.save(first, second));
      assert.deepEqual(words.toSorted(), ['saved', 'serial_conflict']);
      await stage.expectStored(words[0] === 'saved' ? first : second);
    },
  },
  {
    name: 'of two issuances in one batch that want one code exactly one is stored',
    check: async (stage) => {
      const first = stage.issuance();
      const second = stage.issuance({ code: first.code });
      const words = wordsOf(await stage.save(first, second));
      assert.deepEqual(words.toSorted(), ['code_conflict', 'saved']);
      await stage.expectStored(words[0] === 'saved' ? first : second);
    },
  },
  {
    name: 'of two issuances of one grant in one batch exactly one is stored, and the other gets its row',
    check: async (stage) => {
      const first = stage.issuance();
      const second = stage.issuance({ userId: first.userId });
      const [verdict, otherVerdict] = await stage.save(first, second);
      const firstWon = verdict?.verdict === 'saved';
      assert.equal((firstWon ? verdict : otherVerdict)?.verdict, 'saved');
      assertUserConflict(firstWon ? otherVerdict : verdict, firstWon ? first : second);
      await stage.expectStored(firstWon ? first : second);
    },
  },
];
