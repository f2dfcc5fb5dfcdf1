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

/** A process whose saves fail in doubt at first; a rebuild runs before the next one is answered. */
function interrupted({ persistence, issuerWith }: Awaited<ReturnType<typeof scene>>, doubtful: number) {
  const operator = issuerWith();
  let saves = 0;
  const save: typeof persistence.save = async (rows) => {
    if (++saves <= doubtful) throw new Error('the connection is gone');
    if (saves === doubtful + 1) await rebuildNamed(operator, POOL, { codes: CODES });
    return persistence.save(rows);
  };
  return { operator, slow: issuerWith({ persistence: { save, list: persistence.list.bind(persistence) } }) };
}

/** Both users have a coupon in the end, and nobody was told to have lost one. */
async function assertBothServed(
  { redis, persistence, told }: Awaited<ReturnType<typeof scene>>,
  operator: CouponIssuer,
) {
  await expireLeases(redis, ID);
  await operator.campaign(ID).settle();
  const rows = await persistence.list(ID, { afterSerial: 0, limit: 9 });
  expect(rows.map(({ userId }) => userId).sort()).toEqual(['ann', 'bob']);
  expect(told).not.toContain('lost');
}

test('a call whose unit the database refuses while a rebuild begins has an unknown outcome, and its coupon comes', async () => {
  const of = await scene();
  const { operator, slow } = interrupted(of, 0);
  const asked = slow.campaign(ID).issue({ userId: 'ann', requestId: 'a' });
  await expect(asked).rejects.toMatchObject({ code: 'REDIS', outcome: 'unknown' });
  await assertBothServed(of, operator);
});

test('settling tells nobody to be lost whose promise a rebuild kept meanwhile', async () => {
  const of = await scene();
  const { operator, slow } = interrupted(of, 2);
  expect(await slow.campaign(ID).issue({ userId: 'ann', requestId: 'a' })).toMatchObject({ status: 'accepted' });
  await expireLeases(of.redis, ID);
  await slow
    .campaign(ID)
    .settle()
    .catch(() => {});
  await assertBothServed(of, operator);
});
