import { pathToFileURL } from 'node:url';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CouponIssuer, type PersistenceAdapter } from '../../src/index.js';
import { persistenceContract, type StoredRow } from '../../src/testing/index.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { blocksOf, read, tableOf, ticked } from './markdown.js';
import { Project } from './snippets.js';

const block = blocksOf('README.md').find(({ text }) => text.includes('function myCoupons'))!;
let project: Project;
let database: Database;
let server: RedisServer;
let myCoupons: (pool: Pool) => PersistenceAdapter;
beforeAll(async () => {
  project = new Project();
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  const printed: { TABLE: string; myCoupons(pool: Pool): PersistenceAdapter } = await import(
    /* @vite-ignore */ pathToFileURL(project.write(block)).href
  );
  await database.pool.query(printed.TABLE);
  myCoupons = printed.myCoupons;
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

test('the page about adapters has a row for each method of the interface, and for no other', () => {
  const source = /interface PersistenceAdapter[\s\S]*?^}/m.exec(read('src/persistence/adapter.ts'))![0];
  const methods = [...source.matchAll(/^ {2}(\w+\??)\(/gm)].map(([, name]) => name!);
  const rows = tableOf('docs/writing-an-adapter.md', 'method').map(([cell]) => ticked(cell!)[0]!.split('(')[0]!);
  expect(methods).toContain('save');
  expect(rows.sort()).toEqual(methods.sort());
});

test('the adapter in 30 lines has 30 lines', () => {
  expect(block.text.trimEnd().split('\n').length).toBeLessThanOrEqual(30);
});

describe('the adapter in 30 lines passes the contract kit', () => {
  const contract = persistenceContract({
    createAdapter: async ({ send }) => {
      const query = (text: string, values: unknown[]) => send(() => database.pool.query(text, values));
      return myCoupons({ query } as unknown as Pool);
    },
    oracle,
  });
  // It only saves.
  const saving = contract.filter(({ needs }) => needs.every((need) => need === 'wire'));
  for (const { name, run } of saving) test(name, run);
});

test('the adapter in 30 lines issues what it was asked for', async () => {
  const issuer = new CouponIssuer({ redis: server.client(), persistence: myCoupons(database.pool) });
  await issuer.campaign('own').open({ stock: { kind: 'counted', total: 50, generateCodes: true } });
  const ask = (user: number) => issuer.campaign('own').issue({ userId: `user-${user}` });
  const results = await Promise.all(Array.from({ length: 80 }, (_, user) => ask(user)));
  await issuer.idle();
  expect(results.filter(({ status }) => status === 'issued').length).toBe(50);
  const { rows } = await database.pool.query('SELECT count(DISTINCT code) FROM my_coupons WHERE "campaignId" = $1', [
    'own',
  ]);
  expect(Number(rows[0].count)).toBe(50);
});
