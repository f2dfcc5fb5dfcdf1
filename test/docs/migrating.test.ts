import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Campaign,
  type CampaignDefinition,
  CouponIssuer,
  type PersistenceAdapter,
  type ReconcileReport,
} from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { blocksOf } from './markdown.js';
import { Project } from './snippets.js';

const PAGE = 'docs/migrating.md';
/** `MIGRATE_ROWS=1000000 npx vitest run test/docs/migrating.test.ts` prints the times of the page. */
const ROWS = Number(process.env.MIGRATE_ROWS ?? 2_500);
const isMeasured = process.env.MIGRATE_ROWS !== undefined;
const LEFT = 10;

interface Files {
  move: { moveRows(pool: Pool, persistence: PersistenceAdapter, campaignId: string): Promise<number> };
  rebuild: {
    takeOver(launch: Campaign, definition: CampaignDefinition, moved: number): Promise<ReconcileReport>;
  };
  used: { markUsed(pool: Pool, launch: Campaign): Promise<void> };
  migrate: { migrate(pool: Pool, redis: Redis, definition: CampaignDefinition): Promise<number> };
}

let project: Project;
let dir: string;
let server: RedisServer;
let database: Database;
beforeAll(async () => {
  project = new Project();
  dir = project.writeFiles(PAGE);
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
});
afterAll(async () => {
  project.remove();
  await Promise.all([server.stop(), database.stop()]);
});

function printed<Name extends keyof Files>(name: Name): Promise<Files[Name]> {
  return import(/* @vite-ignore */ pathToFileURL(join(dir, `${name}.js`)).href);
}

async function timed<T>(step: string, run: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const result = await run();
  if (isMeasured) console.log(`${step}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  return result;
}

/** Every tenth coupon was used. */
async function fillOldTable(): Promise<void> {
  await database.pool.query(blocksOf(PAGE).find(({ language }) => language === 'sql')!.text);
  await database.pool.query(
    `INSERT INTO old_coupons (user_id, code, created_at, order_id)
     SELECT 7 * n, 'CODE-' || n, '2026-05-01T10:00:00+09:00'::timestamptz + n * interval '1 millisecond',
       CASE WHEN n % 10 = 0 THEN 'order-' || n END
     FROM generate_series(1, $1::int) n`,
    [ROWS],
  );
}

test('a table of before moves as the page says, twice over, and the campaign gives out the rest', {
  timeout: 1_800_000,
}, async () => {
  const [{ moveRows }, { takeOver }, { markUsed }] = [
    await printed('move'),
    await printed('rebuild'),
    await printed('used'),
  ];
  await fillOldTable();
  const { pool } = database;
  const persistence = new PostgresPersistence(pool);
  await persistence.createTable();
  const issuer = new CouponIssuer({ redis: server.client(), persistence });
  const launch = issuer.campaign('launch');
  const definition: CampaignDefinition = { stock: { kind: 'counted', total: ROWS + LEFT } };

  expect(await timed('move', () => moveRows(pool, persistence, 'launch'))).toBe(ROWS);
  await expect(launch.open(definition)).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
  // The old way gives out one more before it stops.
  await pool.query(`INSERT INTO old_coupons (user_id, code) VALUES (1, 'LATE')`);
  expect(await timed('move again', () => moveRows(pool, persistence, 'launch'))).toBe(ROWS + 1);
  const report = await timed('rebuild and reconcile', () => takeOver(launch, definition, ROWS + 1));
  expect(report.findings).toEqual([]);
  await timed('mark the used', () => markUsed(pool, launch));
  const { migrate } = await printed('migrate');
  if (!isMeasured) expect(await migrate(pool, server.client(), definition)).toBe(ROWS + 1);

  expect(await launch.tally()).toMatchObject({
    issued: ROWS + 1 - Math.floor(ROWS / 10),
    redeemed: Math.floor(ROWS / 10),
  });
  expect(await launch.issue({ userId: '7' })).toMatchObject({
    status: 'already_issued',
    issuances: [{ code: 'CODE-1' }],
  });
  expect((await launch.redeem({ userId: '70', code: 'CODE-10', redemptionId: 'another' })).status).toBe(
    'already_redeemed',
  );
  const fresh = await Promise.all(Array.from({ length: LEFT }, (_, n) => launch.issue({ userId: `new-${n}` })));
  expect(fresh.filter(({ status }) => status === 'issued')).toHaveLength(LEFT - 1);
  await issuer.close();
  if (isMeasured) console.log(await sizes());
});

/** Bytes of a moved row and of its place in Redis. */
async function sizes() {
  const { rows } = await database.pool.query("SELECT pg_total_relation_size('coupon_issuances') AS bytes");
  const redis = server.client();
  const memory = /used_memory:(\d+)/.exec(await redis.info('memory'))![1];
  redis.disconnect();
  return { row: Number(rows[0].bytes) / ROWS, redis: Number(memory) / ROWS };
}

test('a coupon that is there twice stops the move, and the page names it', async () => {
  const { moveRows } = await printed('move');
  await database.pool.query('ALTER TABLE old_coupons DROP CONSTRAINT old_coupons_user_id_key');
  const { rows } = await database.pool.query(
    `INSERT INTO old_coupons (user_id, code) VALUES (7, 'TWICE') RETURNING id::text`,
  );
  const moving = moveRows(database.pool, new PostgresPersistence(database.pool), 'launch');
  await expect(moving).rejects.toThrow(`the coupon ${rows[0].id} is not moved`);
});

test('most rows move ahead, and the run of the night goes on behind them, though an older row has a higher id', async () => {
  const move = blocksOf(PAGE).find(({ text }) => text.includes('function moveRows'))!;
  const condition = blocksOf(PAGE)
    .find(({ text }) => text.includes('behind: WHERE id > $1'))!
    .text.split('\n')[1];
  const text = move.text.replace('WHERE id > $1', `WHERE id > $1 ${condition}`).replace(/'SELECT(.*)'/, '`SELECT$1`');
  expect(text).toContain(condition);
  const ahead: Files['move'] = await import(/* @vite-ignore */ pathToFileURL(project.write({ ...move, text })).href);
  const { moveRows } = await printed('move');
  const { pool } = database;
  const persistence = new PostgresPersistence(pool);
  const put = (user: number, seconds: number) =>
    pool.query(
      `INSERT INTO old_coupons (user_id, code, created_at) VALUES ($1, $2, now() - interval '1 day' + $3 * interval '1 second')`,
      [user, `OLD-${user}`, seconds],
    );
  await pool.query('DELETE FROM old_coupons');
  await put(1, -100);
  // Its checkout began a minute later, and came first to its number.
  await put(2, 60);
  await put(3, -1);
  expect(await ahead.moveRows(pool, persistence, 'ahead')).toBe(1);
  expect(await moveRows(pool, persistence, 'ahead')).toBe(3);
  await pool.query(`UPDATE old_coupons SET created_at = created_at - interval '1 day'`);
  expect(await ahead.moveRows(pool, persistence, 'ahead'), 'where nothing is new').toBe(3);
});
