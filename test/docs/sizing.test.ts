import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CampaignDefinition, CouponIssuer, generateCodes, MemoryPersistence } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { read, tableOf } from './markdown.js';

const PAGE = 'docs/sizing.md';
/** A hash table has just doubled. */
const COUNT = 4_200;
const numbers = Array.from({ length: COUNT }, (_, n) => String(1_000_000_000 + n));
const hashes = numbers.map((id) => createHash('sha256').update(id).digest('hex').slice(0, 36));
const counted = { kind: 'counted', total: COUNT } as const;

let server: RedisServer;
let database: Database;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
});
afterAll(() => Promise.all([server.stop(), database.stop()]));

interface Scene {
  readonly definition: CampaignDefinition;
  readonly users: readonly string[];
  readonly data?: { readonly note: string };
}

async function play(issuer: CouponIssuer, { definition, users, data }: Scene): Promise<void> {
  const launch = issuer.campaign('sized');
  await launch.open(definition);
  if (definition.stock.kind === 'codes') await launch.loadCodes(generateCodes({ count: COUNT }));
  const ask = (userId: string) =>
    definition.admission ? launch.join({ userId }) : launch.issue({ userId, ...(data && { data }) });
  await Promise.all(users.map(ask));
  await issuer.idle();
}

/** The bytes of all keys. */
async function bytesInRedis(): Promise<number> {
  const redis = server.client();
  const keys = await redis.keys('*');
  const sizes = await Promise.all(keys.map((key) => redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '0')));
  redis.disconnect();
  return sizes.map(Number).reduce((sum, bytes) => sum + bytes, 0);
}

const SCENES: Record<string, Scene> = {
  'a coupon, with or without a generated code': {
    definition: { stock: { ...counted, generateCodes: true } },
    users: numbers,
  },
  'the same, with user ids of 36 characters': { definition: { stock: counted }, users: hashes },
  'a code of a pool, before it is given out': { definition: { stock: { kind: 'codes' } }, users: [] },
  'a coupon with its code of a pool': { definition: { stock: { kind: 'codes' } }, users: numbers },
  'a coupon that waits for its row, as with write-behind': {
    definition: { stock: counted, saveMode: 'write-behind' },
    users: numbers,
  },
  'the same, with 100 bytes of `data`': {
    definition: { stock: counted, saveMode: 'write-behind' },
    users: numbers,
    data: { note: 'x'.repeat(89) },
  },
  'a user in line': { definition: { stock: counted, admission: 'queued' }, users: numbers },
  'a refused user': { definition: { stock: { ...counted, total: 1 } }, users: numbers },
};

const rows = tableOf(PAGE, 'in Redis').map(([what, bytes]) => [what!, Number(bytes)] as const);

test('the page has a row for each thing that Redis keeps', () => {
  expect(rows.map(([what]) => what)).toEqual(Object.keys(SCENES));
});

test.each(rows)('%s takes %d bytes of Redis, within a tenth', async (what, said) => {
  const redis = server.client();
  await redis.flushall();
  const issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence() });
  await play(issuer, SCENES[what]!);
  const each = (await bytesInRedis()) / COUNT;
  await issuer.close();
  expect(each).toBeGreaterThan(0.9 * said - 2);
  expect(each).toBeLessThan(1.1 * said + 2);
});

test('a row takes the bytes that the page says, within a quarter', async () => {
  const redis = server.client();
  await redis.flushall();
  const persistence = new PostgresPersistence(database.pool);
  await persistence.createTable();
  const issuer = new CouponIssuer({ redis, persistence });
  await play(issuer, SCENES['a coupon, with or without a generated code']!);
  await issuer.close();
  const { rows } = await database.pool.query(`SELECT pg_total_relation_size('coupon_issuances') AS bytes`);
  const said = Number(read(PAGE).match(/A row takes about (\d+) bytes/)![1]);
  expect(Math.abs(Number(rows[0].bytes) / COUNT / said - 1)).toBeLessThan(0.25);
});
