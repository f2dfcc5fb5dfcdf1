import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CouponIssuer, NotSavedError } from 'coupon-issuer';
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
  const wired = new Kysely({
    dialect: new PostgresDialect({ pool: { connect: async () => client, end: async () => {} } }),
  });
  // All of a transaction is one unit: it has a connection of its own.
  wired.transaction = () => ({ execute: (work) => send(() => db.transaction().execute(work)) });
  return wired;
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

test('a change whose COMMIT got no answer does not say that it changed nothing', async () => {
  const ref = await given('lost');
  const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  const dying = {
    async query(text, values) {
      const result = await client.query(text, values);
      if (!/^commit/i.test(text)) return result;
      await client.end();
      throw new Error('Connection terminated unexpectedly');
    },
    release() {},
  };
  const pool = { connect: async () => dying, end: async () => {} };
  const change = { ref, version: 0, unexpired: true, to: { state: 'redeemed', by: 'order' } };
  const changing = kyselyPersistence(new Kysely({ dialect: new PostgresDialect({ pool }) })).change([change]);
  await assert.rejects(changing, (error) => !(error instanceof NotSavedError));
  assert.equal((await kyselyPersistence(db).look([ref]))[0].life.by, 'order');
});

/** A stored coupon, as a ref. */
async function given(campaignId) {
  const [id, code] = ['id', 'CODE'];
  const issuance = { campaignId, id, serial: 1, userId: 'kim', grant: 1, code, issuedAt: new Date(), epoch: '1' };
  await kyselyPersistence(db).save([issuance]);
  return { campaignId, code };
}
