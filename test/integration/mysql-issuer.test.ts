import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, generateCodes, type Issuance, type PersistenceAdapter } from '../../src/index.js';
import { MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { Mariadb, rowsOf } from '../support/servers/mariadb.js';
import { RedisServer } from '../support/servers/redis-server.js';

const SETTLED = { settled: true };
let redis: RedisServer;
let database: Mariadb;
let persistence: MysqlPersistence;
let campaignId: string;
let campaigns = 0;
beforeAll(async () => {
  [redis, database] = await Promise.all([RedisServer.start(), Mariadb.start()]);
  persistence = new MysqlPersistence(database.pool);
  await persistence.createTable();
});
afterAll(() => Promise.all([redis.stop(), database.stop()]));
beforeEach(() => {
  campaignId = `launch-${++campaigns}`;
});

const audit = async (options: { settled?: boolean } = {}) =>
  checkInvariants({ redis: redis.client(), campaignId, rows: await rowsOf(database, campaignId), ...options });

const users = (count: number) => Array.from({ length: count }, (_, i) => `user-${i + 1}`);

test('of 900 users of two processes 600 get a code each, and the rest are told sold_out', async () => {
  const issuers = [1, 2].map(() => new CouponIssuer({ redis: redis.client(), persistence, maxBatch: 50 }));
  const [first] = issuers as [CouponIssuer];
  await first.campaign(campaignId).open({ stock: { kind: 'codes' } });
  await first.campaign(campaignId).loadCodes(generateCodes({ count: 600 }));
  const calls = users(900).map((userId, i) => issuers[i % 2]!.campaign(campaignId).issue({ userId }));
  const words = (await Promise.all(calls)).map(({ status }) => status);
  await Promise.all(issuers.map((issuer) => issuer.close()));
  expect(words.filter((word) => word === 'issued')).toHaveLength(600);
  expect(words.filter((word) => word === 'sold_out')).toHaveLength(300);
  expect(await rowsOf(database, campaignId)).toHaveLength(600);
  await audit(SETTLED);
});

/** Half of the batches are stored and half are not, and nobody is told: as if the connection had been lost. */
class Unsteady implements PersistenceAdapter {
  lost = 0;
  #saves = 0;

  async save(issuances: readonly Issuance[], options: { signal: AbortSignal }): Promise<never> {
    if (this.#saves++ % 2 === 0) await persistence.save(issuances, options);
    this.lost++;
    throw Object.assign(new Error('the connection was lost'), { code: 'PROTOCOL_CONNECTION_LOST' });
  }

  list = persistence.list.bind(persistence);
}

test('what was accepted while the connection was lost is settled: each user has one row, and no unit is lost', async () => {
  const unsteady = new Unsteady();
  const options = { redis: redis.client(), maxBatch: 20, maxInFlight: 4 };
  const broken = new CouponIssuer({ ...options, persistence: unsteady });
  await broken.campaign(campaignId).open({ stock: { kind: 'counted', total: 300, generateCodes: true }, perUser: 2 });
  const results = await Promise.all(users(200).map((userId) => broken.campaign(campaignId).issue({ userId })));
  await broken.close();
  expect(unsteady.lost).toBeGreaterThan(0);
  expect(results.every(({ status }) => status === 'accepted')).toBe(true);
  await audit();

  const issuer = new CouponIssuer({ ...options, persistence });
  expect(await expireLeases(redis.client(), campaignId)).toBe(200);
  expect(await issuer.campaign(campaignId).settle()).toMatchObject({ settled: 200, pending: 0, failed: 0 });
  await audit(SETTLED);
  const again = await Promise.all(users(200).map((userId) => issuer.campaign(campaignId).issue({ userId })));
  expect(again.filter(({ status }) => status === 'issued')).toHaveLength(100);
  await issuer.close();
  expect(await rowsOf(database, campaignId)).toHaveLength(300);
  await audit(SETTLED);
});

test('a user whose row the shop holds keeps no call beyond its deadline, and gets one coupon once the shop lets go', async () => {
  const { pool } = database;
  await pool.query('CREATE TABLE users (id bigint PRIMARY KEY)');
  await pool.query('INSERT INTO users VALUES (1), (2)');
  const own = { table: 'owned', userId: { type: 'bigint', references: 'users(id)' } } as const;
  const adapter = new MysqlPersistence(pool, own);
  await adapter.createTable();
  const issuer = new CouponIssuer({ redis: redis.client(), persistence: adapter, timeoutMs: 500 });
  const launch = issuer.campaign(campaignId);
  await launch.open({ stock: { kind: 'counted', total: 2 } });

  const shop = await database.connect();
  await shop.beginTransaction();
  await shop.query('SELECT id FROM users WHERE id = 2 FOR UPDATE');
  const results = await Promise.all(['1', '2'].map((userId) => launch.issue({ userId })));
  expect(results.map(({ status }) => status)).toEqual(['accepted', 'accepted']);
  await shop.commit();

  expect(await expireLeases(redis.client(), campaignId)).toBe(2);
  expect(await launch.settle()).toMatchObject({ settled: 2, pending: 0, failed: 0 });
  await issuer.close();
  const rows = await rowsOf(database, campaignId, own.table);
  expect(rows.map(({ userId }) => userId).sort()).toEqual(['1', '2']);
  await checkInvariants({ redis: redis.client(), campaignId, rows, ...SETTLED });
});
