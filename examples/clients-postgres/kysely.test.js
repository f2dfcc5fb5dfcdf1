import { fromKysely, kyselyTransaction } from 'coupon-issuer/postgres';
import { CamelCasePlugin, Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { refuses } from './refuses.js';
import { suite } from './suite.js';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
// Kysely sets no listener on a connection. Without one, a connection that breaks ends the process.
pool.on('connect', (client) => client.on('error', () => {}));
const db = new Kysely({ dialect: new PostgresDialect({ pool }), plugins: [new CamelCasePlugin()] });

suite('Kysely', {
  client: fromKysely(db),
  inTransaction: (work) => db.transaction().execute((trx) => work(kyselyTransaction(trx))),
  close: () => db.destroy(),
});

refuses('a transaction of Kysely', { bridge: fromKysely, inTransaction: (work) => db.transaction().execute(work) });
refuses('a Kysely that is in no transaction', { bridge: kyselyTransaction, inTransaction: (work) => work(db) });
