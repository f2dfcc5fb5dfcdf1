import { drizzleTransaction, fromDrizzle } from 'coupon-issuer/postgres';
import { drizzle } from 'drizzle-orm/node-postgres';
import { refuses } from './refuses.js';
import { suite } from './suite.js';

const db = drizzle(process.env.DATABASE_URL);

suite('Drizzle', {
  client: fromDrizzle(db),
  inTransaction: (work) => db.transaction((tx) => work(drizzleTransaction(tx))),
  close: () => db.$client.end(),
});

refuses('a transaction of Drizzle', { bridge: fromDrizzle, inTransaction: (work) => db.transaction(work) });
refuses('a db that is in no transaction', { bridge: drizzleTransaction, inTransaction: (work) => work(db) });
