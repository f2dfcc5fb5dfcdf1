import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { PostgresPersistence } from '../../src/persistence/postgres.js';
import { persistenceContract } from '../../src/testing/index.js';

let pglite: PGlite;
beforeAll(async () => {
  pglite = await PGlite.create();
});
afterAll(() => pglite.close());

describe('PostgresPersistence on PGlite keeps the contract', () => {
  let tables = 0;
  async function createAdapter() {
    const table = `issuances_${++tables}`;
    const persistence = new PostgresPersistence(pglite, { table });
    await persistence.createTable();
    return Object.assign(persistence, {
      async [Symbol.asyncDispose]() {
        await pglite.query(`DROP TABLE ${table}`);
      },
    });
  }
  for (const { name, run } of persistenceContract({ createAdapter })) test(name, run);
});
