import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CouponIssuer } from 'coupon-issuer';
import { persistenceContract } from 'coupon-issuer/testing';
import RedisMock from 'ioredis-mock';
import { DataSource } from 'typeorm';
import { typeormPersistence } from './adapter.js';
import { Coupon } from './coupon.js';

const db = new DataSource({ type: 'postgres', url: process.env.DATABASE_URL, entities: [Coupon] });
before(async () => {
  await db.initialize();
  await db.synchronize();
});
after(() => db.destroy());

/** By plain SQL, so that the adapter is not its own witness. */
async function rowsOf(campaignId) {
  const columns = 'serial, "userId", "grant", id, code';
  return db.query(`SELECT ${columns} FROM coupons WHERE "campaignId" = $1`, [campaignId]);
}

/** The data source with a repository whose every statement goes over the wire that the kit cuts. */
function typeormOver({ send }) {
  const repository = db.getRepository(Coupon);
  const over =
    (method) =>
    (...args) =>
      send(() => repository[method](...args));
  return { getRepository: () => ({ find: over('find'), query: over('query') }) };
}

describe('the adapter on TypeORM keeps the contract', () => {
  const contract = persistenceContract({
    createAdapter: async (wire) => typeormPersistence(typeormOver(wire)),
    oracle: rowsOf,
  });
  for (const { name, run } of contract) test(name, run);
});

test('80 users want one of 50 coupons: 50 are issued, and each has its row', async () => {
  const issuer = new CouponIssuer({ redis: new RedisMock(), persistence: typeormPersistence(db) });
  await issuer.campaign('launch').open({ stock: { kind: 'counted', total: 50, generateCodes: true } });
  const users = Array.from({ length: 80 }, (_, i) => `user-${i + 1}`);
  const results = await Promise.all(users.map((userId) => issuer.campaign('launch').issue({ userId })));
  await issuer.close();

  const issued = results.filter(({ status }) => status === 'issued').map(({ issuance }) => issuance.code);
  const stored = (await rowsOf('launch')).map(({ code }) => code);
  assert.equal(issued.length, 50);
  assert.deepEqual(issued.toSorted(), stored.toSorted());
});
