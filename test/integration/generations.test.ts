import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, MemoryPersistence } from '../../src/index.js';
import { type NamedDefinition, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ID = 'launch';
const DEFINITION: NamedDefinition = { id: ID, stock: { kind: 'counted', total: 5 } };
let server: RedisServer;
let redis: Redis;
let issuer: CouponIssuer;
let other: CouponIssuer;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  const persistence = new MemoryPersistence();
  issuer = new CouponIssuer({ redis, persistence });
  other = new CouponIssuer({ redis, persistence });
  await openNamed(issuer, DEFINITION);
});

const issueTo = (userId: string, by: CouponIssuer) => by.campaign(ID).issue({ userId });

test('a process that saw a rebuild is refused by the state of before it, and changes nothing there', async () => {
  const names = await redis.keys('*');
  const before = await Promise.all(names.map(async (name) => [name, await redis.dumpBuffer(name)] as const));
  await rebuildNamed(issuer, DEFINITION);
  expect(await issueTo('ann', issuer)).toMatchObject({ status: 'issued' });
  await issuer.idle();
  await redis.flushall();
  for (const [name, value] of before) await redis.restore(name, 0, value);
  expect(await issueTo('bob', issuer)).toEqual({ status: 'not_ready', reason: 'rolled_back' });
  await expect(issuer.campaign(ID).settle()).rejects.toMatchObject({ code: 'NOT_READY', reason: 'rolled_back' });
  expect(await other.campaign(ID).inspect()).toMatchObject({ available: 5, reserved: 0, issued: 0 });
});

test('a campaign that is opened again after a purge is served by a process that saw it rebuilt before', async () => {
  await rebuildNamed(issuer, DEFINITION);
  expect(await issueTo('ann', other)).toMatchObject({ status: 'issued' });
  await other.idle();
  await issuer.campaign(ID).closeForGood();
  await issuer.campaign(ID).purge();
  await openNamed(issuer, DEFINITION, { skipRowCheck: true });
  expect(await issueTo('bob', other)).toMatchObject({ status: 'issued' });
});
