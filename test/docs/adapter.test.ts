import { randomBytes } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CouponIssuer, type PersistenceAdapter } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres.js';
import { persistenceContract, type StoredRow } from '../../src/testing/index.js';
import { Database } from '../support/database.js';
import { RedisServer } from '../support/redis-server.js';
import { blocksOf } from './markdown.js';
import { Project } from './snippets.js';

const block = blocksOf('README.md').find(({ text }) => text.includes('function myCoupons'))!;
let project: Project;
let database: Database;
let server: RedisServer;
let adapter: PersistenceAdapter;
beforeAll(async () => {
  project = new Project();
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  const printed: { TABLE: string; myCoupons(pool: Pool): PersistenceAdapter } = await import(
    /* @vite-ignore */ pathToFileURL(project.write(block)).href
  );
  await database.pool.query(printed.TABLE);
  adapter = printed.myCoupons(database.pool);
});
afterAll(async () => {
  project.remove();
  await Promise.all([server.stop(), database.stop()]);
});

async function oracle(campaignId: string): Promise<StoredRow[]> {
  const { rows } = await database.pool.query(
    'SELECT serial, "userId", "grant", id, code FROM my_coupons WHERE "campaignId" = $1',
    [campaignId],
  );
  return rows;
}

test('the adapter in 30 lines has 30 lines', () => {
  expect(block.text.trimEnd().split('\n').length).toBeLessThanOrEqual(30);
});

describe('the adapter in 30 lines passes the contract kit', () => {
  test.each(persistenceContract({ createAdapter: async () => adapter, oracle }))('$name', ({ run }) => run());
});

test('the adapter in 30 lines issues what it was asked for', async () => {
  const issuer = new CouponIssuer({ redis: server.client(), persistence: adapter });
  await issuer.openCampaign({ id: 'own', stock: { kind: 'counted', total: 50, generateCodes: true } });
  const ask = (user: number) => issuer.issue({ campaignId: 'own', userId: `user-${user}` });
  const results = await Promise.all(Array.from({ length: 80 }, (_, user) => ask(user)));
  await issuer.idle();
  expect(results.filter(({ status }) => status === 'issued').length).toBe(50);
  const { rows } = await database.pool.query('SELECT count(DISTINCT code) FROM my_coupons WHERE "campaignId" = $1', [
    'own',
  ]);
  expect(Number(rows[0].count)).toBe(50);
});

test('the recipe keeps the issued count on the row of each coupon', async () => {
  const persistence = new PostgresPersistence(database.pool);
  await persistence.createTable();
  for (const { text } of blocksOf('docs/writing-an-adapter.md').filter(({ language }) => language === 'sql')) {
    await database.pool.query(text);
  }
  const issuer = new CouponIssuer({ redis: server.client(), persistence, maxInFlight: 8, maxBatch: 20 });
  const ids = ['a', 'b', 'c'].map((name) => `${name}-${randomBytes(4).toString('hex')}`);
  for (const id of ids) {
    await issuer.openCampaign({ id, stock: { kind: 'unlimited' } });
    await database.pool.query('INSERT INTO coupons (id) VALUES ($1)', [id]);
  }
  const users = Array.from({ length: 200 }, (_, user) => `user-${user}`);
  const calls = users.flatMap((userId) => ids.map((campaignId) => issuer.issue({ campaignId, userId })));
  expect((await Promise.all(calls)).every(({ status }) => status === 'issued')).toBe(true);
  const { rows } = await database.pool.query('SELECT issued::int FROM coupons');
  expect(rows).toEqual(ids.map(() => ({ issued: users.length })));
});
