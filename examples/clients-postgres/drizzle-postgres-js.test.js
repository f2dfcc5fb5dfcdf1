import { drizzleTransaction, fromDrizzle } from 'coupon-issuer/postgres';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { suite } from './suite.js';

const sql = postgres(process.env.DATABASE_URL, { onnotice: () => {} });
const db = drizzle({ client: sql });

suite('Drizzle on postgres.js', {
  client: fromDrizzle(db),
  inTransaction: (work) => db.transaction((tx) => work(drizzleTransaction(tx))),
  close: () => sql.end(),
});
