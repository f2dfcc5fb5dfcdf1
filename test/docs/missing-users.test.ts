import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Campaign, CouponIssuer, type PersistenceAdapter } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { expireLeases } from '../support/checks/invariants.js';
import { quarantinedOf } from '../support/scenes/named.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { blocksOf } from './markdown.js';
import { Project } from './snippets.js';

const PAGE = 'docs/your-own-table.md';
const TABLE = { table: 'shop.coupons', userId: { type: 'bigint', references: 'shop.users(id)' } } as const;
const UNITS = 3;

interface Printed {
  freeMissing(launch: Campaign, units: number): Promise<boolean>;
  /** With the hook of the page. */
  readonly shop: CouponIssuer;
  end(): Promise<void>;
}

let project: Project;
let database: Database;
let server: RedisServer;
let persistence: PostgresPersistence;
let printed: Printed;
let opened = 0;
let id: string;
beforeAll(async () => {
  project = new Project();
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  await database.pool.query('CREATE SCHEMA shop; CREATE TABLE shop.users (id bigint PRIMARY KEY)');
  await database.pool.query('INSERT INTO shop.users SELECT generate_series(1, 9)');
  persistence = new PostgresPersistence(database.pool, TABLE);
  await persistence.createTable();
  const [hook, recipe] = ['known-users', 'function freeMissing'].map(
    (words) => blocksOf(PAGE).find(({ text }) => text.includes(words))!,
  );
  const text = [
    `import { CouponIssuer } from 'coupon-issuer';\nimport { PostgresPersistence } from 'coupon-issuer/postgres';`,
    `import { Redis } from 'ioredis';\nimport pg from 'pg';`,
    `const redis = new Redis(${server.port});`,
    `const pool = new pg.Pool({ connectionString: ${JSON.stringify(database.url)} });`,
    `const persistence = new PostgresPersistence(pool, ${JSON.stringify(TABLE)});`,
    'const issuer = new CouponIssuer({ redis, persistence });',
    hook!.text,
    recipe!.text,
    'export { shop };',
    'export const end = async () => { await shop.close(); await issuer.close(); redis.disconnect(); await pool.end(); };',
  ].join('\n');
  printed = await import(/* @vite-ignore */ pathToFileURL(project.write({ ...hook!, text })).href);
});
afterAll(async () => {
  await printed.end();
  project.remove();
  await Promise.all([server.stop(), database.stop()]);
});
beforeEach(() => {
  id = `launch-${++opened}`;
});

/** Reserves for a user, and never learns what became of the row: the answer is `accepted`. */
async function acceptedAndGone(userId: string): Promise<void> {
  const dying: PersistenceAdapter = {
    identity: () => persistence.identity(),
    save: () => Promise.reject(new Error('the connection broke')),
  };
  const issuer = new CouponIssuer({ redis: server.client(), persistence: dying });
  expect((await issuer.campaign(id).issue({ userId })).status).toBe('accepted');
  await issuer.close();
}

/** As the page says: until it answers `true`, and then the campaign goes on. */
async function freeAndResume(launch: Campaign): Promise<void> {
  const told: boolean[] = [];
  while (told.length < 2 && !told.at(-1)) told.push(await printed.freeMissing(launch, UNITS));
  expect(told.at(-1)).toBe(true);
  await launch.resume();
}

const usersOf = async () => {
  const { rows } = await database.pool.query('SELECT user_id FROM shop.coupons WHERE campaign_id = $1 ORDER BY 1', [
    id,
  ]);
  return rows.map(({ user_id }) => user_id);
};

test('the unit of a missing user whose process died waits in quarantine, and the recipe of the page sells it', async () => {
  const issuer = new CouponIssuer({ redis: server.client(), persistence });
  const launch = issuer.campaign(id);
  await launch.open({ stock: { kind: 'counted', total: UNITS } });
  await acceptedAndGone('404');
  expect((await launch.issue({ userId: '405' })).status).toBe('not_eligible');
  for (const userId of ['1', '2']) expect((await launch.issue({ userId })).status).toBe('issued');
  await issuer.idle();
  await expireLeases(server.client(), id);
  await launch.settle();
  expect((await quarantinedOf(launch)).map(({ issuance }) => issuance.userId)).toEqual(['404']);
  expect((await launch.issue({ userId: '3' })).status).toBe('sold_out');

  for (let run = 0; run < 2; run++) await freeAndResume(launch);
  expect(await quarantinedOf(launch)).toEqual([]);
  expect((await launch.issue({ userId: '3' })).status).toBe('issued');
  expect((await launch.issue({ userId: '4' })).status).toBe('sold_out');
  expect(await usersOf()).toEqual(['1', '2', '3']);
  await issuer.close();
});

test('the recipe goes on where it was stopped, and leaves the unit of a user that is there', async () => {
  const issuer = new CouponIssuer({ redis: server.client(), persistence });
  const launch = issuer.campaign(id);
  await launch.open({ stock: { kind: 'counted', total: UNITS } });
  await acceptedAndGone('404');
  await acceptedAndGone('500');
  await expireLeases(server.client(), id);
  await launch.settle();
  // 500 signs up late.
  await database.pool.query('INSERT INTO shop.users VALUES (500)');
  const [gone] = (await quarantinedOf(launch)).filter(({ issuance }) => issuance.userId === '404');
  await launch.quarantine.withdraw({ ids: [gone!.issuance.id] });
  expect(await printed.freeMissing(launch, UNITS)).toBe(false);
  expect((await quarantinedOf(launch)).map(({ issuance }) => issuance.userId)).toEqual(['500']);
  await launch.quarantine.retry({ all: true });
  await launch.settle();
  await freeAndResume(launch);
  for (const userId of ['1', '2', '3']) await launch.issue({ userId });
  expect(await usersOf()).toEqual(['1', '2', '500']);
  await issuer.close();
});

test.each([
  { unit: 'kept', sold: UNITS - 1 },
  { unit: 'returned', sold: UNITS },
] as const)(
  'the recipe adds no unit for a coupon that was revoked, $unit and with another one for its user',
  async ({ unit, sold }) => {
    const issuer = new CouponIssuer({ redis: server.client(), persistence });
    const launch = issuer.campaign(id);
    await launch.open({ stock: { kind: 'counted', total: UNITS } });
    const result = await launch.issue({ userId: '1' });
    if (result.status !== 'issued') throw new Error(result.status);
    await issuer.idle();
    await launch.revoke({ userId: '1', id: result.issuance.id, revocationId: 'fraud', unit, again: true });
    await acceptedAndGone('404');
    await expireLeases(server.client(), id);
    await launch.settle();
    await freeAndResume(launch);
    for (const userId of ['1', '2', '3', '4', '5']) await launch.issue({ userId });
    await issuer.idle();
    expect(await launch.tally()).toMatchObject({ issued: sold, revoked: 1 });
    await issuer.close();
  },
);

test('the recipe takes away the units that a rebuild made free again', async () => {
  const issuer = new CouponIssuer({ redis: server.client(), persistence });
  const launch = issuer.campaign(id);
  await launch.open({ stock: { kind: 'counted', total: UNITS } });
  await acceptedAndGone('404');
  await expireLeases(server.client(), id);
  await launch.settle();
  await freeAndResume(launch);
  const { total } = await launch.inspect();
  expect(total).toBe(UNITS + 1);
  await launch.rebuild({ stock: { kind: 'counted', total: UNITS + 1 } }, { paused: true });
  expect(await launch.inspect()).toMatchObject({ available: UNITS + 1, withdrawn: 0 });
  await freeAndResume(launch);
  for (const userId of ['1', '2', '3', '4', '5']) await launch.issue({ userId });
  await issuer.idle();
  expect(await usersOf()).toEqual(['1', '2', '3']);
  await issuer.close();
});

test('the hook of the page refuses a missing user before anything is reserved', async () => {
  const launch = printed.shop.campaign(id);
  await launch.open({ stock: { kind: 'counted', total: UNITS } });
  expect(await launch.issue({ userId: '404' })).toMatchObject({ status: 'not_eligible', reason: 'unknown_user' });
  expect((await launch.issue({ userId: '1' })).status).toBe('issued');
  expect((await launch.inspect()).available).toBe(UNITS - 1);
});
