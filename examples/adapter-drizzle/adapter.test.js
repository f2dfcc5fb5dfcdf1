import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { CouponIssuer, NotSavedError } from 'coupon-issuer';
import { persistenceContract } from 'coupon-issuer/testing';
import { drizzle } from 'drizzle-orm/node-postgres';
import RedisMock from 'ioredis-mock';
import pg from 'pg';
import { drizzlePersistence } from './adapter.js';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const db = drizzle({ client: pool });
before(async () => pool.query(await readFile(new URL('migration.sql', import.meta.url), 'utf8')));
after(() => pool.end());

/** By plain SQL, so that the adapter is not its own witness. */
async function rowsOf(campaignId) {
  const columns = 'serial, "userId", "grant", id, code';
  return (await pool.query(`SELECT ${columns} FROM coupons WHERE "campaignId" = $1`, [campaignId])).rows;
}

/** Drizzle on a pool whose every statement goes over the wire that the kit cuts. */
function drizzleOver({ send }) {
  const wired = drizzle({ client: { query: (text, values) => send(() => pool.query(text, values)) } });
  // All of a transaction is one unit: it has a connection of its own.
  wired.transaction = (work) => send(() => db.transaction(work));
  return wired;
}

describe('the adapter on Drizzle keeps the contract', () => {
  const contract = persistenceContract({
    createAdapter: async (wire) => drizzlePersistence(drizzleOver(wire)),
    oracle: rowsOf,
  });
  for (const { name, run } of contract) test(name, run);
});

test('80 users want one of 50 coupons: 50 are issued, and each has its row', async () => {
  const issuer = new CouponIssuer({ redis: new RedisMock(), persistence: drizzlePersistence(db) });
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
      if (!/^commit/i.test(text.text ?? text)) return result;
      await client.end();
      throw new Error('Connection terminated unexpectedly');
    },
  };
  const change = { ref, version: 0, unexpired: true, to: { state: 'redeemed', by: 'order' } };
  const changing = drizzlePersistence(drizzle({ client: dying })).change([change]);
  await assert.rejects(changing, (error) => !(error instanceof NotSavedError));
  assert.equal((await drizzlePersistence(db).look([ref]))[0].life.by, 'order');
});

/** A stored coupon, as a ref. */
async function given(campaignId) {
  const issuance = {
    campaignId,
    id: 'id',
    serial: 1,
    userId: 'kim',
    grant: 1,
    code: 'CODE',
    issuedAt: new Date(),
    epoch: '1',
  };
  await drizzlePersistence(db).save([issuance]);
  return { campaignId, code: 'CODE' };
}
