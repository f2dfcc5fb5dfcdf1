import { expect, test } from 'vitest';
import { CouponIssuer, type CouponIssuerOptions, MemoryPersistence } from '../../src/index.js';
import { expireLeases } from '../support/checks/invariants.js';
import { own } from '../support/checks/own.js';
import { type NamedDefinition, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ID = 'spring';
const POOL: NamedDefinition = { id: ID, stock: { kind: 'codes' } };
const CODES = ['A', 'B', 'C'];

/**
 * Redis forgets that bob has code A, and gives it to ann. Before the database says so, a rebuild begins: what it finds
 * reserved is a promise.
 */
async function scene() {
  const server = await own(RedisServer.start());
  const redis = server.client();
  const persistence = new MemoryPersistence();
  const told: string[] = [];
  const issuerWith = (options: Partial<CouponIssuerOptions> = {}) =>
    new CouponIssuer({
      redis,
      persistence,
      deliver: () => {},
      onEvent: ({ type }) => void told.push(type),
      ...options,
    });
  const first = issuerWith();
  await openNamed(first, POOL);
  await first.campaign(ID).loadCodes(CODES);
  const keys = await redis.keys('*');
  const before = await Promise.all(keys.map(async (key) => [key, await redis.dumpBuffer(key)] as const));
  await first.campaign(ID).issue({ userId: 'bob' });
  await first.close();
  await redis.flushall();
  for (const [key, content] of before) await redis.restore(key, 0, content!);
  told.length = 0;
  return { redis, persistence, told, issuerWith };
}

test('a call whose unit the database refuses while a rebuild begins has an unknown outcome, and its coupon comes', async () => {
  const { redis, persistence, told, issuerWith } = await scene();
  const operator = issuerWith();
  const list = persistence.list.bind(persistence);
  let [saves, fails] = [0, 0];
  const save: typeof persistence.save = async (rows) => {
    if (fails-- > 0) throw new Error('the connection is gone');
    if (saves++ === 0) await rebuildNamed(operator, POOL, { codes: CODES });
    return persistence.save(rows);
  };
  const slow = issuerWith({ persistence: { save, list } });
  const asked = slow.campaign(ID).issue({ userId: 'ann', requestId: 'a' });
  await expect(asked).rejects.toMatchObject({ code: 'REDIS', outcome: 'unknown' });
  await expireLeases(redis, ID);
  await operator.campaign(ID).settle();
  expect((await persistence.list(ID, { afterSerial: 0, limit: 9 })).map(({ userId }) => userId).sort()).toEqual([
    'ann',
    'bob',
  ]);
  expect(told).not.toContain('lost');
});

test('settling tells nobody to be lost whose promise a rebuild kept meanwhile', async () => {
  const { redis, persistence, told, issuerWith } = await scene();
  const operator = issuerWith();
  const list = persistence.list.bind(persistence);
  let saves = 0;
  const save: typeof persistence.save = async (rows) => {
    saves++;
    if (saves <= 2) throw new Error('the connection is gone');
    if (saves === 3) await rebuildNamed(operator, POOL, { codes: CODES });
    return persistence.save(rows);
  };
  const slow = issuerWith({ persistence: { save, list } });
  expect(await slow.campaign(ID).issue({ userId: 'ann', requestId: 'a' })).toMatchObject({ status: 'accepted' });
  await expireLeases(redis, ID);
  await slow
    .campaign(ID)
    .settle()
    .catch(() => {});
  await expireLeases(redis, ID);
  await operator.campaign(ID).settle();
  expect((await persistence.list(ID, { afterSerial: 0, limit: 9 })).map(({ userId }) => userId).sort()).toEqual([
    'ann',
    'bob',
  ]);
  expect(told).not.toContain('lost');
});
