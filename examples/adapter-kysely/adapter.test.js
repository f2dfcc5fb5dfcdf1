import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CouponIssuer } from 'coupon-issuer';
import { persistenceContract } from 'coupon-issuer/testing';
import RedisMock from 'ioredis-mock';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { kyselyPersistence } from './adapter.js';
import { up } from './migration.js';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const db = new Kysely({ dialect: new PostgresDialect({ pool }) });
before(() => up(db));
after(() => db.destroy());

/** By plain SQL, so that the adapter is not its own witness. */
async function rowsOf(campaignId) {
  const columns = 'serial, "userId", "grant", id, code';
  return (await pool.query(`SELECT ${columns} FROM coupons WHERE "campaignId" = $1`, [campaignId])).rows;
}

/** Kysely on a pool whose every statement goes over the wire that the kit cuts. */
function kyselyOver({ send }) {
  const client = { query: (text, values) => send(() => pool.query(text, values)), release() {} };
  return new Kysely({ dialect: new PostgresDialect({ pool: { connect: async () => client, end: async () => {} } }) });
}

describe('the adapter on Kysely keeps the contract', () => {
  const contract = persistenceContract({
    createAdapter: async (wire) => kyselyPersistence(kyselyOver(wire)),
    oracle: rowsOf,
  });
  for (const { name, run } of contract) test(name, run);
});

test('80 users want one of 50 coupons: 50 are issued, and each has its row', async () => {
  const issuer = new CouponIssuer({ redis: new RedisMock(), persistence: kyselyPersistence(db) });
  await issuer.campaign('launch').open({ stock: { kind: 'counted', total: 50, generateCodes: true } });
  const users = Array.from({ length: 80 }, (_, i) => `user-${i + 1}`);
  const results = await Promise.all(users.map((userId) => issuer.campaign('launch').issue({ userId })));
  await issuer.close();

  const issued = results.filter(({ status }) => status === 'issued').map(({ issuance }) => issuance.code);
  const stored = (await rowsOf('launch')).map(({ code }) => code);
  assert.equal(issued.length, 50);
  assert.deepEqual(issued.toSorted(), stored.toSorted());
});
