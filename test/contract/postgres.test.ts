import { afterAll, beforeAll, describe, test } from 'vitest';
import { PostgresPersistence } from '../../src/persistence/postgres.js';
import { persistenceContract } from '../../src/testing/index.js';
import { Database, rowsOf } from '../support/database.js';

let database: Database;
let persistence: PostgresPersistence;
beforeAll(async () => {
  database = await Database.create();
  persistence = new PostgresPersistence(database.pool);
  await persistence.createTable();
});
afterAll(() => database.stop());

describe('PostgresPersistence on a pool of connections keeps the contract', () => {
  const contract = persistenceContract({
    createAdapter: async () => persistence,
    oracle: (campaignId) => rowsOf(database, campaignId),
  });
  for (const { name, run } of contract) test(name, run);
});
