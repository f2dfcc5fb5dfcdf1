import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MysqlPersistence } from 'coupon-issuer/mysql';
import { DataSource } from 'typeorm';
import { blocksUnder, compiled, database, exchanged, schema, unsigned } from './schemas.js';

const [plain, own] = blocksUnder('TypeORM');
const usersOf = (shop) => `
@Entity('users')
export class User {
  @PrimaryColumn({ type: 'bigint'${shop === 'unsigned users' ? ', unsigned: true' : ''} })
  id!: string;
}
`;

async function define(shop) {
  const start = "\n@Entity('coupon_issuances')";
  const column = /^ +@Column\(.*'user_id' \}\)\n +userId!: string;\n/m;
  const text = shop === 'default' ? plain : exchanged(plain, column, own);
  const typed = shop === 'unsigned users' ? unsigned('TypeORM', text) : text;
  return compiled(exchanged(typed, start, `${usersOf(shop)}${start}`));
}

schema('TypeORM', {
  define,
  make: (entities, { url }) => connected(entities, url, (dataSource) => dataSource.synchronize()),
  changes: (entities, { url }) => connected(entities, url, changed),
  rows: (entities, url) =>
    connected(entities, url, async (dataSource) => {
      const coupons = dataSource.getRepository(entities.CouponIssuance);
      const all = await coupons.find();
      assert.deepEqual(await coupons.findBy({ campaignId: 'launch', code: all[0].code }), [all[0]]);
      return all;
    }),
});

test('with the type mysql TypeORM drops keys in MariaDB, as the page says', async () => {
  const { url, pool } = await database();
  await new MysqlPersistence(pool).createTable();
  await pool.end();
  const statements = await connected(await define('default'), url, changed, 'mysql');
  assert.deepEqual(
    statements.filter((statement) => /^DROP INDEX/.test(statement)),
    ['DROP INDEX `by_user` ON `coupon_issuances`', 'DROP INDEX `by_code` ON `coupon_issuances`'],
  );
});

async function changed({ driver }) {
  const { upQueries } = await driver.createSchemaBuilder().log();
  return upQueries.map(({ query }) => query).filter((query) => !/^CREATE TABLE `users`/.test(query));
}

async function connected(entities, url, work, type = 'mariadb') {
  const dataSource = new DataSource({ type, url, timezone: 'Z', entities: Object.values(entities) });
  await dataSource.initialize();
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}
