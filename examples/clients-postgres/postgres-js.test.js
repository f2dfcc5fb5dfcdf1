import { fromPostgresJs, postgresJsTransaction } from 'coupon-issuer/postgres';
import postgres from 'postgres';
import { refuses } from './refuses.js';
import { suite } from './suite.js';

const sql = postgres(process.env.DATABASE_URL, { onnotice: () => {} });

suite('postgres.js', {
  client: fromPostgresJs(sql),
  inTransaction: (work) => sql.begin((tx) => work(postgresJsTransaction(tx))),
  close: () => sql.end(),
});

refuses('a transaction of postgres.js', { bridge: fromPostgresJs, inTransaction: (work) => sql.begin(work) });
refuses('a reserved connection', { bridge: fromPostgresJs, inTransaction: onReserved });
refuses('a client that renames columns', {
  bridge: fromPostgresJs,
  inTransaction: (work) => work(postgres({ transform: postgres.camel })),
});
refuses('a client that is in no transaction', { bridge: postgresJsTransaction, inTransaction: (work) => work(sql) });

async function onReserved(work) {
  const reserved = await sql.reserve();
  try {
    await work(reserved);
  } finally {
    reserved.release();
  }
}
