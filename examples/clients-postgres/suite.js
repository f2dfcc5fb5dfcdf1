import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { CouponIssuer } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { persistenceContract } from 'coupon-issuer/testing';
import RedisMock from 'ioredis-mock';
import pg from 'pg';

/**
 * What a client has to pass: the contract kit, the table, an order in its own transaction.
 *
 * @param {string} name of the client; in lower case it names the table
 * @param {object} shop
 * @param {import('coupon-issuer/postgres').PostgresLike} shop.client
 * @param {(work: (transaction: import('coupon-issuer/postgres').PostgresTransaction) => Promise<void>) => Promise<void>} shop.inTransaction
 *   runs the work in a transaction of that client; commits unless it throws
 * @param {() => Promise<unknown>} shop.close
 */
export function suite(name, { client, inTransaction, close }) {
  const table = `coupons_${name.toLowerCase().replace(/\W/g, '_')}`;
  const persistence = new PostgresPersistence(client, { table });
  // Plain SQL on a pool of its own, so that the client is not its own witness.
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
  const rowsOf = async (campaignId) => {
    const columns = 'serial, user_id AS "userId", grant_no AS "grant", id, code, state';
    return (await pool.query(`SELECT ${columns} FROM ${table} WHERE campaign_id = $1`, [campaignId])).rows;
  };
  before(() => persistence.createTable());
  after(async () => {
    await close();
    await pool.end();
  });

  describe(`${name} keeps the contract`, () => {
    const contract = persistenceContract({
      keepsData: true,
      createAdapter: async ({ send }) => {
        const query = (text, values) => send(() => client.query(text, values));
        return new PostgresPersistence({ ...client, query }, { table });
      },
      oracle: rowsOf,
      inTransaction,
    });
    for (const { name: sentence, run } of contract) test(sentence, run);
  });

  test('the table is made, checked and upgraded', async () => {
    const other = new PostgresPersistence(client, { table: `${table}_2` });
    await assert.rejects(other.checkTable(), { code: 'MISCONFIGURED' });
    const format = await other.createTable();
    assert.deepEqual(await other.createTable(), format);
    assert.deepEqual(await other.upgradeTable(), format);
    assert.deepEqual(await other.checkTable(), format);
    assert.equal(typeof (await other.identity()), 'string');
  });

  test('80 users want one of 50 coupons: 50 are issued, and each has its row', async () => {
    const issuer = new CouponIssuer({ redis: new RedisMock(), persistence });
    await issuer.campaign('launch').open({ stock: { kind: 'counted', total: 50, generateCodes: true } });
    const users = Array.from({ length: 80 }, (_, i) => `user-${i + 1}`);
    const results = await Promise.all(users.map((userId) => issuer.campaign('launch').issue({ userId })));
    await issuer.close();
    const issued = results.filter(({ status }) => status === 'issued').map(({ issuance }) => issuance.code);
    assert.equal(issued.length, 50);
    assert.deepEqual(issued.toSorted(), (await rowsOf('launch')).map(({ code }) => code).toSorted());
  });

  test('an order and its coupon are committed together, or neither is', async () => {
    const issuer = new CouponIssuer({ redis: new RedisMock(), persistence });
    const launch = issuer.campaign('orders');
    await launch.open({ stock: { kind: 'counted', total: 1 } });
    const { issuance } = await launch.issue({ userId: 'kim' });
    const redeem = (redemptionId, within) => launch.redeem({ userId: 'kim', id: issuance.id, redemptionId, within });
    const stateOf = async () => (await rowsOf('orders'))[0].state;

    const failed = inTransaction(async (within) => {
      assert.equal((await redeem('order-1', within)).status, 'redeemed');
      throw new Error('out of stock');
    });
    await assert.rejects(failed, /out of stock/);
    assert.equal(await stateOf(), 'issued');

    await inTransaction(async (within) => assert.equal((await redeem('order-2', within)).status, 'redeemed'));
    assert.equal(await stateOf(), 'redeemed');
    await inTransaction(async (within) => assert.equal((await redeem('order-3', within)).status, 'already_redeemed'));
    await issuer.close();
  });

  test('a transaction that is over is refused', async () => {
    const launch = new CouponIssuer({ redis: new RedisMock(), persistence }).campaign('over');
    let kept;
    await inTransaction(async (within) => {
      kept = within;
    });
    await assert.rejects(launch.redeem({ userId: 'kim', id: 'any', redemptionId: 'order-1', within: kept }));
  });

  test('the client itself is not taken for a transaction', async () => {
    const launch = new CouponIssuer({ redis: new RedisMock(), persistence }).campaign('pool');
    const redeemed = launch.redeem({ userId: 'kim', id: 'any', redemptionId: 'order-1', within: client });
    await assert.rejects(redeemed, { code: 'INVALID_ARGUMENT', argument: 'within' });
  });

  test('a failure of the database keeps its SQLSTATE, and no value of the statement', async () => {
    const failed = client.query('SELECT $1::text AS code, 1 / $2::int AS n', ['S3CR3T-C0DE', 0]);
    const error = await failed.then(assert.fail, (failure) => failure);
    assert.equal(error.code, '22012');
    assert.equal(inspect(error, { depth: null }).includes('S3CR3T'), false);
  });

  test('a batch costs one statement', async () => {
    const sent = [];
    const query = (text, values) => {
      sent.push(text);
      return client.query(text, values);
    };
    await new PostgresPersistence({ ...client, query }, { table }).save([
      {
        campaignId: 'one',
        id: 'a',
        userId: 'kim',
        serial: 1,
        grant: 1,
        code: null,
        issuedAt: new Date(),
        epoch: '1-a',
        state: 'reserved',
      },
    ]);
    assert.equal(sent.length, 1);
  });
}
