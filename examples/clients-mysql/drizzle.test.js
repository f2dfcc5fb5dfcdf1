import { drizzleTransaction, fromDrizzle } from 'coupon-issuer/mysql';
import { drizzle } from 'drizzle-orm/mysql2';
import mysql from 'mysql2/promise';
import { refuses } from './refuses.js';
import { suite } from './suite.js';

const db = drizzle(mysql.createPool(process.env.MYSQL_URL));

suite('Drizzle', {
  client: fromDrizzle(db),
  inTransaction: (work) => db.transaction((tx) => work(drizzleTransaction(tx))),
  close: () => db.$client.end(),
  poolOf: (sql) => {
    const pool = mysql.createPool(process.env.MYSQL_URL);
    pool.on('connection', (connection) => connection.query(sql));
    return { client: fromDrizzle(drizzle(pool)), close: () => pool.end() };
  },
});

refuses('a transaction of Drizzle', { bridge: fromDrizzle, inTransaction: (work) => db.transaction(work) });
refuses('a db that is in no transaction', { bridge: drizzleTransaction, inTransaction: (work) => work(db) });
