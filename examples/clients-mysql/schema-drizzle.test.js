import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { MysqlPersistence } from 'coupon-issuer/mysql';
import { generateMySQLDrizzleJson, generateMySQLMigration } from 'drizzle-kit/api';
import { and, eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/mysql2';
import { blocksUnder, compiled, database, exchanged, schema, unsigned } from './schemas.js';

const [plain, ownColumns, ownKeys] = blocksUnder('Drizzle');
const usersOf = (shop) =>
  `export const users = mysqlTable('users', { id: bigint({ mode: 'bigint'${
    shop === 'unsigned users' ? ', unsigned: true' : ''
  } }).primaryKey() });\n`;

schema('Drizzle', {
  async define(shop) {
    const start = 'export const couponIssuances = ';
    const withUsers = exchanged(plain, start, `${usersOf(shop)}${start}`);
    if (shop === 'default') return compiled(withUsers);
    const columns = exchanged(withUsers, /^ +userId: .*\n/m, ownColumns);
    const text = exchanged(columns, /^ {2}\],\n/m, `${ownKeys}  ],\n`);
    return compiled(shop === 'unsigned users' ? unsigned('Drizzle', text) : text);
  },
  async make(tables, { pool }) {
    const [empty, all] = [await generateMySQLDrizzleJson({}), await generateMySQLDrizzleJson(tables)];
    for (const statement of await generateMySQLMigration(empty, all)) await pool.query(statement);
  },
  async rows({ couponIssuances }, url) {
    const db = drizzle(url);
    try {
      const all = await db.select().from(couponIssuances);
      const isFirst = and(eq(couponIssuances.campaignId, 'launch'), eq(couponIssuances.code, all[0].code));
      assert.deepEqual(await db.select().from(couponIssuances).where(isFirst), [all[0]]);
      return all;
    } finally {
      await db.$client.end();
    }
  },
});

test('a push stops in MariaDB at the check, as the page says', async () => {
  const { url, pool } = await database();
  const push = `
    import { pushMySQLSchema } from 'drizzle-kit/api';
    import { drizzle } from 'drizzle-orm/mysql2';
    const db = drizzle(process.env.URL_OF_PUSH);
    await pushMySQLSchema({}, db, new URL(process.env.URL_OF_PUSH).pathname.slice(1));
    await db.$client.end();
    console.log('pushed');`;
  const pushed = () =>
    promisify(execFile)(process.execPath, ['--input-type=module', '--eval', push], {
      cwd: import.meta.dirname,
      env: { ...process.env, URL_OF_PUSH: url },
    });
  assert.match((await pushed()).stdout, /pushed/);
  await new MysqlPersistence(pool).createTable();
  await pool.end();
  await assert.rejects(pushed(), { code: 1 });
});
