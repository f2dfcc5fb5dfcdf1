import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CouponIssuer } from '../../src/index.js';
import { memoryBook } from '../support/checks/books.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { RedisServer } from '../support/servers/redis-server.js';

/** Above the 8,000 values that a script can hand on at once, three for each grant. */
const USERS = 3_000;
const CAMPAIGNS = 9_000;
/** A Redis that is tuned for memory: it keeps large keys in their compact form, and scans such a key as a whole. */
const COMPACT = [
  ...['--hash-max-listpack-entries', '100000', '--hash-max-listpack-value', '1000'],
  ...['--set-max-intset-entries', '100000'],
  ...['--zset-max-listpack-entries', '100000', '--zset-max-listpack-value', '1000'],
  ...['--list-max-listpack-size', '10000'],
];

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start(COMPACT);
  redis = server.client();
});
afterAll(() => server.stop());

const encoding = (key: string) => redis.object('ENCODING', key);

test('with compact keys of any size a campaign is issued, settled, compared, rebuilt and purged', async () => {
  const id = 'large';
  const book = memoryBook();
  const issuer = new CouponIssuer({ redis, persistence: book, maxQueued: USERS });
  // Codes of digits alone make a set of integers, which is compact too.
  await issuer.campaign(id).open({ stock: { kind: 'codes' }, saveMode: 'write-behind' });
  const codes = Array.from({ length: USERS }, (_, i) => String(100_000 + i));
  await issuer.campaign(id).loadCodes(codes);
  for (let first = 0; first < USERS; first += 1_000) {
    const users = Array.from({ length: 1_000 }, (_, i) => `user-${first + i}`);
    await Promise.all(users.map((userId) => issuer.campaign(id).issue({ userId })));
  }
  await issuer.idle();
  expect(await encoding(`{coupon:${id}}:grants`)).toBe('listpack');
  expect(await encoding(`{coupon:${id}}:codes`)).toBe('intset');
  await issuer.campaign(id).rebuild({ stock: { kind: 'codes' }, saveMode: 'write-behind' }, { codes });
  expect(await issuer.campaign(id).settle()).toMatchObject({ settled: USERS, failed: 0 });
  await expect(issuer.campaign(id).reconcile()).resolves.toMatchObject({ findings: [], grants: USERS });
  await checkInvariants({ redis, campaignId: id, rows: await book.rows(id), settled: true });
  await issuer.campaign(id).closeForGood({ retainMs: 86_400_000 });
  await issuer.campaign(id).purge();
}, 120_000);

test('a registry of any size in its compact form is looked through to its end', async () => {
  const issuer = new CouponIssuer({ redis, prefix: 'many', persistence: memoryBook() });
  const ids = Array.from({ length: CAMPAIGNS }, (_, i) => String(i + 1));
  await redis.hset('many:registry', Object.fromEntries(ids.map((id) => [id, '1'])));
  expect(await encoding('many:registry')).toBe('listpack');
  await issuer.campaign(String(CAMPAIGNS)).open({ stock: { kind: 'counted', total: 1 }, saveMode: 'write-behind' });
  await issuer.campaign(String(CAMPAIGNS)).issue({ userId: 'ann' });
  await issuer.settle().catch(() => {});
  expect(await issuer.campaign(String(CAMPAIGNS)).inspect()).toMatchObject({ issued: 1, reserved: 0 });
}, 120_000);
