import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryPersistence } from '../../src/index.js';
import { until } from '../support/checks/until.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { issuerOn } from './support.js';

/** A server of each test, because it ends badly. */
let server: RedisServer;
beforeEach(async () => {
  server = await RedisServer.start(['--maxmemory-policy', 'noeviction']);
});
afterEach(() => server.stop());

const GRADE = { name: 'grade', ttlMs: 60_000, beta: 0 } as const;
const TIMES = { timeoutMs: 2_000 } as const;

describe('a client that waits for its server, as ioredis does by default', () => {
  test.each([
    ['is silent', () => server.signal('SIGSTOP')],
    ['is gone', () => server.kill()],
  ])('gets values that are loaded while Redis %s, and no error', async (_, fail) => {
    const { issuer } = issuerOn(server.client(), TIMES);
    const cache = issuer.cache({ ...GRADE, load: (key) => key });
    await cache.get('warm');
    await fail();
    expect(await Promise.allSettled(['kim', 'lee'].map((key) => cache.get(key)))).toMatchObject([
      { status: 'fulfilled', value: 'kim' },
      { status: 'fulfilled', value: 'lee' },
    ]);
    // From then on nobody waits for Redis: many more calls than may wait one after the other.
    for (let i = 0; i < 20; i++) await expect(cache.get(`user-${i}`)).resolves.toBe(`user-${i}`);
  });

  test('gets a value that was loaded, though Redis falls silent before it is stored', async () => {
    const { issuer } = issuerOn(server.client(), TIMES);
    const cache = issuer.cache({
      ...GRADE,
      load: (key) => {
        server.signal('SIGSTOP');
        return key;
      },
    });
    await expect(cache.get('kim')).resolves.toBe('kim');
  });

  test('asks Redis again behind the answers, and serves from it once it is back', async () => {
    const { issuer } = issuerOn(server.client(), TIMES);
    let loads = 0;
    const cache = issuer.cache({ ...GRADE, load: (key) => ++loads && key });
    await cache.get('kim');
    server.signal('SIGSTOP');
    await cache.get('lee');
    server.signal('SIGCONT');
    const served = until(async () => {
      const before = loads;
      // Beyond the rate of loads it is told to come again.
      const value = await cache.get('kim').catch(() => null);
      return value === 'kim' && loads === before;
    }, 6_000);
    await expect(served).resolves.toBeUndefined();
  });
});

test('a Redis that is full answers a value that is due for a refresh', async () => {
  const client = server.client();
  const { issuer } = issuerOn(client);
  let loads = 0;
  const cache = issuer.cache({ ...GRADE, beta: 100, load: (key) => ++loads && key, withoutRedis: 'throw' });
  await cache.get('kim');
  await issuer.idle();
  // As if the last load had taken as long as the value lives: each look is early.
  const [key] = await client.keys('{coupon:cache:grade:*');
  const value = (await client.hget(key!, 'value'))!.split(':');
  value[3] = '60000';
  await client.hset(key!, 'value', value.join(':'));
  await client.config('SET', 'maxmemory', '1');
  for (let i = 0; i < 50; i++) await expect(cache.get('kim')).resolves.toBe('kim');
  expect(loads).toBe(1);
});

test('the client of the issuer, named as `redis`, keeps the bound of its Redis', async () => {
  const client = server.client();
  const { issuer } = issuerOn(client);
  await issuer.cache({ ...GRADE, redis: client, load: (key) => key }).get('kim');
  expect(await client.exists('{coupon:cache:grade}')).toBe(1);
  await issuer.cache({ ...GRADE, name: 'own', redis: server.client(), load: (key) => key }).get('kim');
  expect(await client.exists('{coupon:cache:own}')).toBe(0);
});

test('a call in flight may ask a cache until it ends, though the issuer is being closed', async () => {
  let ask = () => {};
  const asked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  let begun = 0;
  const { issuer } = issuerOn(server.client(), {
    persistence: new MemoryPersistence(),
    eligible: async ({ userId }) => {
      begun++;
      await asked;
      return (await cache.get(userId)) === 'gold' ? true : { reason: 'grade' };
    },
  });
  const cache = issuer.cache({ ...GRADE, load: () => 'gold' });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: 1 } });
  const issued = launch.issue({ userId: 'kim' });
  await until(async () => begun === 1);
  const closed = issuer.close();
  ask();
  await expect(issued).resolves.toMatchObject({ status: 'issued' });
  await closed;
});
