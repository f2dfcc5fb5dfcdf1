import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mintId } from '../../src/model/issuance.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { persistenceContract } from '../../src/testing/index.js';
import { Database, rowsOf } from '../support/servers/database.js';

let database: Database;
beforeAll(async () => {
  database = await Database.create();
  await new PostgresPersistence(database.pool).createTable();
});
afterAll(() => database.stop());

describe.each([
  { how: 'on a pool of connections', prepare: false },
  { how: 'with prepared statements', prepare: true },
])('PostgresPersistence $how keeps the contract', ({ prepare }) => {
  const contract = persistenceContract({
    keepsData: true,
    createAdapter: async ({ send }) => {
      const { pool } = database;
      const query = (...args: Parameters<typeof pool.query>) => send(() => pool.query(...args));
      return new PostgresPersistence(Object.assign(Object.create(pool) as typeof pool, { query }), { prepare });
    },
    oracle: (campaignId) => rowsOf(database, campaignId),
    inTransaction: async (work) => {
      const client = await database.pool.connect();
      try {
        await client.query('BEGIN');
        await work(client);
        await client.query('COMMIT');
      } finally {
        // What is still open is rolled back.
        client.release(true);
      }
    },
  });
  for (const { name, run } of contract) test(name, run);
});

test('saves of the same batch in opposite orders wait for each other instead of locking each other out', async () => {
  const persistence = new PostgresPersistence(database.pool);
  for (let round = 0; round < 5; round++) {
    const campaignId = mintId();
    const batch = Array.from({ length: 500 }, (_, i) => ({
      id: mintId(),
      campaignId,
      userId: `user-${i}`,
      grant: 1,
      serial: i + 1,
      code: null,
      issuedAt: new Date(),
      epoch: '1-a',
      state: 'reserved' as const,
    }));
    const saves = [batch, batch.toReversed()].map((one) => persistence.save(one));
    for (const verdicts of await Promise.all(saves)) {
      expect(new Set(verdicts.map(({ verdict }) => verdict))).toEqual(new Set(['saved']));
    }
  }
});
