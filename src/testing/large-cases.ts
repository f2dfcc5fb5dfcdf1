import { assertIssuance, assertIssuances, assertSame, wordsOf } from './assertions.js';
import type { Case } from './stage.js';

/** More than the parameters of one statement can hold, in the databases that count them. */
const MANY = 10_000;

/** Batches as large as a catch-up after an outage may make them, and the rows read back. */
export const largeCases: Case[] = [
  {
    name: 'a batch of 10,000 is saved, and again, and stored once',
    check: async (stage) => {
      const batch = stage.issuances(MANY);
      await stage.given(...batch);
      await stage.expectStored(...batch);
    },
  },
  {
    name: 'a batch of 10,000 of which every second is refused stores the others',
    check: async (stage) => {
      const stored = stage.issuances(MANY / 2);
      await stage.given(...stored);
      const fresh = stage.issuances(MANY / 2);
      const batch = stored.flatMap(({ serial }, i) => [stage.issuance({ serial }), fresh[i]!]);
      assertSame(
        'verdicts',
        wordsOf(await stage.save(...batch)),
        fresh.flatMap(() => ['serial_conflict', 'saved']),
      );
      await stage.expectStored(...stored, ...fresh);
    },
  },
  {
    name: 'in a batch of 1,000 user_conflicts each carries its own row',
    check: async (stage) => {
      const stored = stage.issuances(1_000);
      await stage.given(...stored);
      const verdicts = await stage.save(...stored.map(({ userId }) => stage.issuance({ userId })).toReversed());
      assertSame(
        'verdicts',
        wordsOf(verdicts),
        stored.map(() => 'user_conflict'),
      );
      for (const [i, verdict] of verdicts.toReversed().entries()) {
        assertIssuance('existing' in verdict ? verdict.existing : null, stored[i]!);
      }
    },
  },
  {
    name: 'list of 10,000 issuances is complete in pages of 500, of 3,333 and of 10,000',
    needs: ['list'],
    check: async (stage) => {
      const all = stage.issuances(MANY);
      await stage.given(...all);
      for (const limit of [500, 3_333, MANY]) {
        for (let from = 0; from < MANY; from += limit) {
          const page = await stage.adapter.list!(stage.campaignId, { afterSerial: from, limit });
          assertIssuances(page, all.slice(from, from + limit));
        }
      }
    },
  },
  {
    name: 'find answers 10,000, of which every second is stored, in the order asked',
    needs: ['find'],
    check: async (stage) => {
      const stored = stage.issuances(MANY / 2);
      await stage.given(...stored);
      const asked = stored.toReversed().flatMap((one) => [one, stage.issuance()]);
      const found = await stage.adapter.find!(asked);
      assertSame(
        'found',
        found.map((one) => one?.id ?? null),
        asked.map(({ id }, i) => (i % 2 === 0 ? id : null)),
      );
    },
  },
];
