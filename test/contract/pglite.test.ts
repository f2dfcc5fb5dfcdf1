import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { type InTransaction, persistenceContract, type Wire } from '../../src/testing/index.js';

let pglite: PGlite;
beforeAll(async () => {
  pglite = await PGlite.create();
});
afterAll(() => pglite.close());

describe('PostgresPersistence on PGlite keeps the contract', () => {
  let tables = 0;
  async function createAdapter({ send }: Wire) {
    const table = `issuances_${++tables}`;
    const query = (text: string, values?: unknown[]) => send(() => pglite.query(text, values));
    const persistence = new PostgresPersistence({ query }, { table });
    await persistence.createTable();
    return Object.assign(persistence, {
      async [Symbol.asyncDispose]() {
        await pglite.query(`DROP TABLE ${table}`);
      },
    });
  }
  const inTransaction: InTransaction = (work) => pglite.transaction(work);
  for (const { name, run } of persistenceContract({ createAdapter, inTransaction })) {
    // PGlite decodes text without the byte order mark at its start; the row itself has it.
    const droppedByClient = name.includes('a byte order mark');
    (droppedByClient ? test.fails : test)(name, run);
  }
});
