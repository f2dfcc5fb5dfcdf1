import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { CouponIssuer } from 'coupon-issuer';
import { persistenceContract } from 'coupon-issuer/testing';
import RedisMock from 'ioredis-mock';
import pg from 'pg';
import { prismaPersistence } from './adapter.js';
import { prismaStandIn } from './stand-in.js';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const prisma = prismaStandIn(pool);
before(async () => pool.query(await readFile(new URL('migration.sql', import.meta.url), 'utf8')));
after(() => pool.end());

/** By plain SQL, so that the adapter is not its own witness. */
async function rowsOf(campaignId) {
  const columns = 'serial, "userId", "grant", id, code';
  return (await pool.query(`SELECT ${columns} FROM coupons WHERE "campaignId" = $1`, [campaignId])).rows;
}

/** A client whose every query goes over the wire that the kit cuts. A transaction is one of them. */
function prismaOver({ send }) {
  const over = (name) => (args) => {
    const query = prisma.coupon[name](args);
    // biome-ignore lint/suspicious/noThenProperty: a query of Prisma is a thenable
    return { on: query.on, then: (resolve, reject) => send(() => query).then(resolve, reject) };
  };
  const names = ['createMany', 'updateMany', 'findMany'];
  return {
    coupon: Object.fromEntries(names.map((name) => [name, over(name)])),
    $transaction: (queries) => send(() => prisma.$transaction(queries)),
  };
}

describe('the adapter in the shape of Prisma keeps the contract', () => {
  const contract = persistenceContract({
    createAdapter: async (wire) => prismaPersistence(prismaOver(wire)),
    oracle: rowsOf,
  });
  for (const { name, run } of contract) test(name, run);
});

test('80 users want one of 50 coupons: 50 are issued, and of each two orders for one only one redeems it', async () => {
  const issuer = new CouponIssuer({ redis: new RedisMock(), persistence: prismaPersistence(prisma) });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: 50, generateCodes: true } });
  const users = Array.from({ length: 80 }, (_, i) => `user-${i + 1}`);
  const results = await Promise.all(users.map((userId) => launch.issue({ userId })));
  const issued = results.filter(({ status }) => status === 'issued').map(({ issuance }) => issuance);
  const codes = issued.map(({ code }) => code);
  assert.equal(codes.length, 50);
  assert.deepEqual(codes.toSorted(), (await rowsOf('launch')).map(({ code }) => code).toSorted());

  const orders = issued.flatMap(({ userId, code }) => ['a', 'b'].map((order) => ({ userId, code, order })));
  const answers = await Promise.all(
    orders.map(({ userId, code, order }) => launch.redeem({ userId, code, redemptionId: `${order}-${code}` })),
  );
  await issuer.close();
  const count = (wanted) => answers.filter(({ status }) => status === wanted).length;
  assert.deepEqual([count('redeemed'), count('already_redeemed')], [50, 50]);
});
