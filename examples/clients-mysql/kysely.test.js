import { fromKysely, kyselyTransaction } from 'coupon-issuer/mysql';
import { CamelCasePlugin, Kysely, MysqlDialect } from 'kysely';
import { createPool } from 'mysql2';
import { refuses } from './refuses.js';
import { suite } from './suite.js';

const databaseOf = (pool) => new Kysely({ dialect: new MysqlDialect({ pool }), plugins: [new CamelCasePlugin()] });
const db = databaseOf(createPool(process.env.MYSQL_URL));

suite('Kysely', {
  client: fromKysely(db),
  inTransaction: (work) => db.transaction().execute((trx) => work(kyselyTransaction(trx))),
  close: () => db.destroy(),
  poolOf: (sql) => {
    const pool = createPool(process.env.MYSQL_URL);
    pool.on('connection', (connection) => connection.query(sql));
    const other = databaseOf(pool);
    return { client: fromKysely(other), close: () => other.destroy() };
  },
});

refuses('a transaction of Kysely', { bridge: fromKysely, inTransaction: (work) => db.transaction().execute(work) });
refuses('a Kysely that is in no transaction', { bridge: kyselyTransaction, inTransaction: (work) => work(db) });
