import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CouponIssuer } from 'coupon-issuer';
import { MysqlPersistence } from 'coupon-issuer/mysql';
import { persistenceContract } from 'coupon-issuer/testing';
import RedisMock from 'ioredis-mock';
import mysql from 'mysql2/promise';

/**
 * What a client has to pass: the contract kit, the table, an order in its own transaction.
 *
 * @param {string} name of the client; in lower case it names the table
 * @param {object} shop
 * @param {import('coupon-issuer/mysql').MysqlLike} shop.client
 * @param {(work: (transaction: import('coupon-issuer/mysql').MysqlTransaction) => Promise<void>) => Promise<void>} shop.inTransaction
 *   runs the work in a transaction of that client; commits unless it throws
 * @param {() => Promise<unknown>} shop.close
 * @param {number} [shop.statements] of one batch
 * @param {(sql: string) => { client: import('coupon-issuer/mysql').MysqlLike, close: () => Promise<unknown> }} [shop.poolOf]
 *   a client all of whose sessions begin with this statement
 */
export function suite(name, { client, inTransaction, close, statements = 1, poolOf }) {
  const table = `coupons_${name.toLowerCase().replace(/\W/g, '_')}`;
  const persistence = new MysqlPersistence(client, { table });
  // Plain SQL on a pool of its own, so that the client is not its own witness.
  const pool = mysql.createPool(process.env.MYSQL_URL);
  const rowsOf = async (campaignId) => {
    const text = (column, name) => `CONVERT(${column} USING utf8mb4) AS ${name}`;
    const texts = [text('user_id', 'userId'), text('id', 'id'), text('code', 'code'), text('state', 'state')];
    const sql = `SELECT serial, grant_no AS \`grant\`, ${texts.join(', ')} FROM ${table} WHERE campaign_id = ?`;
    return (await pool.query(sql, [campaignId]))[0];
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
        const query = (asked) => send(() => client.query(asked));
        return new MysqlPersistence({ ...client, query }, { table });
      },
      oracle: rowsOf,
      inTransaction,
    });
    for (const { name: sentence, run } of contract) test(sentence, run);
  });

  test('the table is made, checked and upgraded', async () => {
    const other = new MysqlPersistence(client, { table: `${table}_2` });
    await assert.rejects(other.checkTable(), { code: 'MISCONFIGURED' });
    const format = await other.createTable();
    assert.deepEqual(await other.createTable(), format);
    assert.deepEqual(await other.upgradeTable(), format);
    assert.deepEqual(await other.checkTable(), format);
    assert.equal(typeof (await other.identity()), 'string');
  });

  test('ids of users are numbers, and a user who is not there is refused alone', async () => {
    const [own, users] = [`${table}_own`, `users_${table}`];
    const userId = String(2n ** 53n + 1n);
    await pool.query(`CREATE TABLE ${users} (id bigint unsigned PRIMARY KEY)`);
    await pool.query(`INSERT INTO ${users} VALUES (${userId})`);
    const shop = new MysqlPersistence(client, {
      table: own,
      userId: { type: 'bigint', unsigned: true, references: `${users}(id)` },
      columns: { source: { type: 'text' } },
    });
    await shop.createTable();
    const issuance = { campaignId: 'own', code: null, issuedAt: new Date(), epoch: '1-a', state: 'reserved', grant: 1 };
    const rows = [userId, '404'].map((id, i) => ({ ...issuance, userId: id, id: `id-${i}`, serial: i + 1 }));
    const { signal } = new AbortController();
    const saved = await shop.save([{ ...rows[0], data: { source: 'mail' } }, rows[1]], { signal });
    assert.deepEqual(saved, [{ verdict: 'saved' }, { verdict: 'refused', reason: 'unknown_user' }]);
    const found = await shop.listByUser([userId], { campaignIds: ['own'], limit: 2, signal });
    assert.deepEqual(
      found.map((row) => row.userId),
      [userId],
    );
    const [stored] = (await pool.query(`SELECT CAST(user_id AS CHAR) AS userId, source FROM ${own}`))[0];
    assert.deepEqual({ ...stored }, { userId, source: 'mail' });
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

  test('a failure of the database keeps its number and SQLSTATE, and no value of the statement', async () => {
    const values = [['S3CR3T-C0DE', 'S3CR3T-C0DE'].map((code) => Buffer.from(code))];
    await client.query({
      sql: `CREATE TABLE ${table}_3 (code varbinary(64) PRIMARY KEY)`,
      values: [],
      rowsAsArray: false,
    });
    const insert = client.query({
      sql: `INSERT INTO ${table}_3 VALUES (?), (?)`,
      values: values[0],
      rowsAsArray: false,
    });
    const error = await insert.then(assert.fail, (failure) => failure);
    assert.deepEqual([error.errno, error.sqlState], [1062, '23000']);
    assert.equal('parameters' in error || 'params' in error, false);
  });

  test(`the first batch costs ${1 + statements} statements, and each later one ${statements}`, async () => {
    const sent = [];
    const query = (asked) => {
      sent.push(asked.sql);
      return client.query(asked);
    };
    const counted = new MysqlPersistence({ ...client, query }, { table });
    const issuance = {
      campaignId: 'one',
      userId: 'kim',
      code: null,
      issuedAt: new Date(),
      epoch: '1-a',
      state: 'reserved',
    };
    const { signal } = new AbortController();
    await counted.save([{ ...issuance, id: 'a', serial: 1, grant: 1 }], { signal });
    assert.equal(sent.length, 1 + statements);
    await counted.save([{ ...issuance, id: 'b', serial: 2, grant: 2 }], { signal });
    assert.equal(sent.length, 1 + 2 * statements);
  });

  if (!poolOf) return;
  test('a pool without autocommit is refused, and nothing is stored', async () => {
    const other = poolOf('SET autocommit = 0');
    const bad = new MysqlPersistence(other.client, { table });
    const issuance = {
      campaignId: 'off',
      id: 'a',
      serial: 1,
      grant: 1,
      userId: 'kim',
      code: null,
      issuedAt: new Date(),
      epoch: '1-a',
      state: 'reserved',
    };
    const { signal } = new AbortController();
    const saved = bad.save([issuance], { signal }).finally(() => other.close());
    await assert.rejects(saved, { name: 'NotSavedError', wholeBatch: true });
    assert.deepEqual(await rowsOf('off'), []);
  });
}
