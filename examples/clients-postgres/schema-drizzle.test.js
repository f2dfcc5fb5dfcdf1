import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { generateDrizzleJson, generateMigration, pushSchema } from 'drizzle-kit/api';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { blocksUnder, compiled, database, exchanged, PAGE, schema } from './schemas.js';

const [plain, ownColumns, ownKey] = blocksUnder('Drizzle');
const USERS = `export const users = pgTable('users', { id: bigint({ mode: 'bigint' }).primaryKey() });\n`;

schema('Drizzle', {
  async define(shop) {
    const start = 'export const couponIssuances = ';
    const withUsers = exchanged(plain, start, `${USERS}${start}`);
    const text = shop === 'default' ? withUsers : exchanged(withUsers, /^ +userId: .*\n/m, ownColumns);
    return (await compiled(shop === 'default' ? text : exchanged(text, /^ {2}\],\n/m, `${ownKey}  ],\n`))).exported;
  },
  async make(tables, { pool }) {
    for (const statement of await generateMigration(generateDrizzleJson({}), generateDrizzleJson(tables))) {
      await pool.query(statement);
    }
  },
  async changes(tables, url) {
    const statements = await pushed(url, tables);
    assert.ok(
      statements.some((statement) => OF_KEYS.test(statement)),
      'the page warns of push for nothing',
    );
    return statements.filter((statement) => !OF_KEYS.test(statement));
  },
  rows: (tables, url) => connected(url, (db) => db.select().from(tables.couponIssuances)),
});

test('a push with the filter of the page leaves the tables alone, and one without drops them', async () => {
  const { url, pool } = await database();
  await new PostgresPersistence(pool).createTable();
  await pool.end();
  const [, filter] = PAGE.match(/`tablesFilter: \['([^']*)'\]`/);
  assert.deepEqual(await pushed(url, {}, [filter]), []);
  assert.match((await pushed(url, {})).join(), /DROP TABLE "coupon_issuances"/);
});

/** The statements that a push sends. */
function pushed(url, tables, filter) {
  return connected(url, async (db) => (await pushSchema(tables, asked(db), ['public'], filter)).statementsToExecute);
}

/** It reads the columns of a key in no order, as the page says. */
const OF_KEYS =
  /^ALTER TABLE "coupon_issuances" (?:DROP|ADD) CONSTRAINT "coupon_issuances_(?:pkey|campaign_id_user_id_grant_no_key)"/;

/** The statement that asks for the name of a primary key loses its values on the way. */
function asked(db) {
  const values = { $1: `'public'`, $2: `'coupon_issuances'` };
  return {
    execute: ({ queryChunks: [{ value }] }) => db.execute(value.join('').replace(/\$[12]\b/g, (name) => values[name])),
  };
}

async function connected(url, work) {
  const pool = new pg.Pool({ connectionString: url });
  try {
    return await work(drizzle({ client: pool }));
  } finally {
    await pool.end();
  }
}
