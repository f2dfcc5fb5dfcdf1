import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bytesOf } from '../../src/cache/entry-bytes.js';
import { type Cache, OverloadedError, RedisError } from '../../src/index.js';
import { pause, until } from '../support/checks/until.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { entryKeyOf, issuerOn, stepClock } from './support.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => redis.flushall());

const GRADE = { name: 'grade', ttlMs: 60_000, beta: 0 } as const;
/** Bytes are counted once per eighth of a life. The end of an eighth that is a day long comes in no test. */
const WEEK = { ...GRADE, ttlMs: 604_800_000 } as const;
const STORED = '{coupon:cache:grade}';
const counted = async () => (await redis.hvals(STORED)).reduce((sum, bytes) => sum + Number(bytes), 0);
const entries = async () => {
  const keys = await redis.keys('{coupon:cache:grade:*');
  const values = await Promise.all(keys.map((key) => redis.hexists(key, 'value')));
  return values.filter(Boolean).length;
};

describe('a value over maxBytes', () => {
  test('is returned to all, not stored, and one fault says so', async () => {
    const { issuer, faults } = issuerOn(redis);
    let loads = 0;
    let open = (_: string) => {};
    const first = new Promise<string>((resolve) => {
      open = resolve;
    });
    const cache = issuer.cache({ ...GRADE, load: () => (++loads === 1 ? first : 'x'.repeat(5_000)) });
    const values = Array.from({ length: 500 }, () => cache.get('kim'));
    await until(async () => loads === 1);
    values.push(...Array.from({ length: 500 }, () => cache.get('kim')));
    open('x'.repeat(5_000));
    expect(new Set(await Promise.all(values)).size).toBe(1);
    expect(loads).toBe(1);
    await cache.get('kim');
    expect(loads).toBe(2);
    expect(await entries()).toBe(0);
    expect(faults).toEqual([expect.stringMatching(/^cache grade: a value has 5002 bytes, more than maxBytes/)]);
  });

  test('is loaded by each process for itself, and none waits for another', async () => {
    const opens: (() => void)[] = [];
    const load = () => new Promise<string>((resolve) => opens.push(() => resolve('x'.repeat(5_000))));
    const caches = [1, 2, 3].map(() => issuerOn(server.client()).issuer.cache({ ...GRADE, load }));
    const loadsBecome = async (count: number) => {
      for (let looks = 0; looks < 200 && opens.length < count; looks++) await pause(5);
      expect(opens.length).toBe(count);
    };
    const first = caches[0]!.get('kim');
    await loadsBecome(1);
    opens[0]!();
    await first;
    const all = Promise.allSettled(caches.map((cache) => cache.get('kim')));
    await loadsBecome(4);
    for (const open of opens) open();
    await all;
    // An invalidation ends that as well: it is not known how large the next value is.
    await caches[0]!.invalidate('kim');
    const again = Promise.allSettled(caches.map((cache) => cache.get('kim')));
    await loadsBecome(5);
    await pause(20);
    await loadsBecome(5);
    opens[4]!();
    await loadsBecome(7);
    for (const open of opens) open();
    await again;
  });

  test('is not loaded again for every caller while an older one may be answered', async () => {
    const { issuer } = issuerOn(redis);
    let loads = 0;
    const load = () => (++loads === 1 ? 'small' : 'x'.repeat(5_000));
    const cache = issuer.cache({ ...GRADE, load, staleMs: 3_600_000 });
    await cache.get('kim');
    await stepClock(redis, 60_001);
    for (let i = 0; i < 20; i++) {
      expect(await cache.get('kim')).toBe('small');
      await issuer.idle();
    }
    expect(loads).toBe(2);
    await stepClock(redis, 1_001);
    await cache.get('kim');
    await issuer.idle();
    expect(loads).toBe(3);
  });

  test('drops the old value where it is set', async () => {
    const { issuer } = issuerOn(redis);
    const cache = issuer.cache({ ...GRADE, load: () => 'loaded', maxBytes: 100 });
    await cache.set('kim', 'small');
    await cache.set('kim', 'x'.repeat(200));
    expect(await cache.get('kim')).toBe('loaded');
  });
});

describe('the values of a cache in the Redis of the campaigns', () => {
  test('take no more than maxTotalBytes: what is beyond it is returned and not stored, and one fault says so', async () => {
    const { issuer, faults } = issuerOn(redis);
    const load = (key: string) => key.padEnd(100, '.');
    const each = bytesOf(JSON.stringify(load('')));
    const cache = issuer.cache({ ...GRADE, load, maxTotalBytes: 10 * each });
    const keys = Array.from({ length: 50 }, (_, i) => `user-${i}`);
    expect(await cache.getMany(keys)).toEqual(keys.map(load));
    expect(await entries()).toBe(10);
    expect(faults).toEqual([expect.stringMatching(/^cache grade: its values take maxTotalBytes/)]);
    const isStored = await Promise.all(keys.map((key) => redis.hexists(entryKeyOf('grade', key), 'value')));
    const [stored, other] = [keys[isStored.indexOf(1)]!, keys[isStored.indexOf(0)]!];
    await cache.set(other, 'new');
    expect(await cache.get(other)).toBe(load(other));
    // The bytes of this one are counted already.
    await cache.set(stored, 'new');
    expect(await cache.get(stored)).toBe('new');
  });

  test('are counted until they are gone, and not a moment less', async () => {
    const { issuer } = issuerOn(redis);
    const cache = issuer.cache({ ...GRADE, load: () => 'gold', staleMs: 10_000 });
    await cache.get('kim');
    const [before] = await redis.hkeys(STORED);
    expect(Number(before)).toBe(await redis.pexpiretime(entryKeyOf('grade', 'kim')));
    expect(await redis.pexpiretime(STORED)).toBe(Number(before));
    expect(await counted()).toBe(bytesOf('"gold"'));
    // The counts move with the instants: they are names here.
    await redis.hset(STORED, '1000', 5_000);
    await cache.get('lee');
    expect(await counted()).toBe(2 * bytesOf('"gold"'));
  });

  test.each([
    ['set', (cache: Cache<string>, i: number) => cache.set('kim', `v${i % 10}`)],
    [
      'dropped and loaded again',
      async (cache: Cache<string>) => {
        await cache.invalidate('kim');
        await cache.get('kim');
      },
    ],
  ] as const)('are counted once where a key is %s often', async (_, change) => {
    const { issuer } = issuerOn(redis);
    const cache = issuer.cache({ ...WEEK, load: () => 'v0' });
    for (let i = 0; i < 30; i++) await change(cache, i);
    expect(await counted()).toBe(bytesOf('"v0"'));
    // A larger one is counted for itself, and so is one that will live longer than the count.
    await cache.set('kim', 'x'.repeat(100));
    expect(await counted()).toBe(bytesOf('"v0"') + bytesOf(JSON.stringify('x'.repeat(100))));
    await stepClock(redis, WEEK.ttlMs / 2);
    await cache.set('kim', 'v0');
    expect(await counted()).toBe(2 * bytesOf('"v0"') + bytesOf(JSON.stringify('x'.repeat(100))));
  });

  test('are counted once where each load is overtaken by an invalidation', async () => {
    const { issuer } = issuerOn(redis);
    const cache: Cache<string> = issuer.cache({
      ...WEEK,
      load: async () => {
        await cache.invalidate('kim');
        return 'gold';
      },
    });
    for (let i = 0; i < 10; i++) await cache.get('kim');
    expect(await redis.hget(entryKeyOf('grade', 'kim'), 'value')).toBeNull();
    expect(await counted()).toBe(bytesOf('"gold"'));
    expect(await redis.pttl(entryKeyOf('grade', 'kim'))).toBeGreaterThan(0);
  });

  test('are not stored under a lease that is over, which their count does not reach', async () => {
    const { issuer } = issuerOn(redis);
    let loads = 0;
    const cache = issuer.cache({
      ...GRADE,
      load: async () => {
        if (++loads === 2) await stepClock(redis, 4_001);
        return 'gold';
      },
    });
    // An entry that is counted outlives the lease.
    await cache.get('kim');
    await cache.invalidate('kim');
    expect(await cache.get('kim')).toBe('gold');
    expect([loads, await entries()]).toEqual([2, 0]);
  });

  test('are counted in instants of Redis, so that a step back of its clock frees nothing early', async () => {
    const { issuer } = issuerOn(redis);
    const cache = issuer.cache({ ...GRADE, load: () => 'gold', maxTotalBytes: 1_000 });
    await cache.get('kim');
    await stepClock(redis, -3_600_000);
    expect(await redis.exists(entryKeyOf('grade', 'kim'))).toBe(1);
    await cache.get('lee');
    expect(await redis.hexists(entryKeyOf('grade', 'lee'), 'value')).toBe(0);
  });

  test.each([1, 63, 64, 65, 500, 1_100, 4_090])('of %i bytes take no more memory than is counted', async (length) => {
    const { issuer } = issuerOn(redis, { prefix: 'p'.repeat(64) });
    const name = 'n'.repeat(64);
    const cache = issuer.cache({ ...GRADE, name, load: () => 'x'.repeat(length), maxTotalBytes: 1e12 });
    const keys = Array.from({ length: 1_024 }, (_, i) => `user-${i}`);
    const used = async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))![1]);
    await cache.getMany(['warm']);
    const before = await used();
    await cache.getMany(keys);
    const each = ((await used()) - before) / keys.length;
    expect(each).toBeLessThan(bytesOf('x'.repeat(length + 2)));
    expect(each).toBeGreaterThan(length);
  });

  test('a Redis of their own is not counted unless a limit is given', async () => {
    const { issuer } = issuerOn(server.client());
    const cache = issuer.cache({ ...GRADE, load: () => 'gold', redis });
    await cache.get('kim');
    expect(await redis.exists(STORED)).toBe(0);
    expect(await entries()).toBe(1);
  });
});

test('a load that fails and a lease leave nothing behind that stays', async () => {
  const { issuer } = issuerOn(redis);
  const load = async () => {
    throw new Error('no');
  };
  const cache = issuer.cache({ ...GRADE, load });
  await cache.get('kim').catch(() => {});
  await issuer.idle();
  expect(await redis.pttl(entryKeyOf('grade', 'kim'))).toBeGreaterThan(0);
  await stepClock(redis, 1_001);
  expect(await entries()).toBe(0);
});

describe('in the memory of a process', () => {
  test('values cost no round trip, at most max of them, and the longest unused goes first', async () => {
    const { issuer } = issuerOn(redis);
    let loads = 0;
    const options = { ...GRADE, name: 'memory', local: { max: 2, ttlMs: 60_000 } };
    const cache = issuer.cache({ ...options, load: (key) => ++loads && key });
    // A connection that comes forgets all.
    await cache.get('first');
    await until(async () => (await redis.pubsub('NUMSUB', '{coupon:cache:memory}'))[1] === 1);
    loads = 0;
    for (const key of ['a', 'b', 'a', 'c']) await cache.get(key);
    await redis.flushall();
    for (const key of ['a', 'c']) expect(await cache.get(key)).toBe(key);
    expect(loads).toBe(3);
    await cache.get('b');
    expect(loads).toBe(4);
  });

  test('an invalidation of another process arrives by a message', async () => {
    const [here, there] = [issuerOn(server.client()).issuer, issuerOn(server.client()).issuer];
    let version = 1;
    const options = { ...GRADE, name: 'messages', load: () => version, local: { max: 10, ttlMs: 3_600_000 } };
    const listening = async () => (await redis.pubsub('NUMSUB', '{coupon:cache:messages}'))[1];
    const [one, other] = [here.cache(options), there.cache(options)];
    expect([await one.get('kim'), await other.get('kim')]).toEqual([1, 1]);
    await until(async () => (await listening()) === 2);
    // A connection that comes forgets all as well.
    expect([await one.get('kim'), await other.get('kim')]).toEqual([1, 1]);
    version = 2;
    await one.invalidate('kim');
    expect(await one.get('kim')).toBe(2);
    let seen = 0;
    for (let looks = 0; looks < 500 && seen !== 2; looks++) {
      await pause(2);
      seen = await other.get('kim');
    }
    expect(seen).toBe(2);
    await Promise.all([here.close(), there.close()]);
    await until(async () => (await listening()) === 0);
  });

  test('all is forgotten when messages may have been lost', async () => {
    const { issuer } = issuerOn(server.client());
    let loads = 0;
    const cache = issuer.cache({ ...GRADE, name: 'gaps', load: () => ++loads, local: { max: 10, ttlMs: 3_600_000 } });
    await cache.get('kim');
    await until(async () => (await redis.pubsub('NUMSUB', '{coupon:cache:gaps}'))[1] === 1);
    await cache.get('kim');
    await redis.flushall();
    const connection = async () => String(await redis.call('CLIENT', 'LIST', 'TYPE', 'pubsub')).match(/id=(\d+)/)?.[1];
    const before = await connection();
    await redis.client('KILL', 'TYPE', 'pubsub');
    await until(async () => (await connection()) !== undefined && (await connection()) !== before);
    await until(async () => (await redis.pubsub('NUMSUB', '{coupon:cache:gaps}'))[1] === 1);
    expect(await cache.get('kim')).toBe(2);
    await issuer.close();
  });

  test('an answer that left before the invalidation of this process is not remembered after it', async () => {
    const client = server.client();
    const evalsha = client.evalsha.bind(client);
    let release = () => {};
    let isHolding = false;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    Object.assign(client, {
      evalsha: async (...args: Parameters<typeof evalsha>) => {
        const holds = isHolding;
        isHolding = false;
        const reply = await evalsha(...args);
        if (holds) await held;
        return reply;
      },
    });
    let version = 1;
    const { issuer } = issuerOn(client);
    const options = { ...GRADE, name: 'own', load: () => version, local: { max: 10, ttlMs: 3_600_000 } };
    const cache = issuer.cache(options);
    // A connection that comes forgets all as well.
    await cache.get('lee');
    await until(async () => (await redis.pubsub('NUMSUB', '{coupon:cache:own}'))[1] === 1);
    await cache.set('kim', 1);
    isHolding = true;
    const early = cache.get('kim');
    await until(async () => !isHolding);
    version = 2;
    await cache.invalidate('kim');
    release();
    expect(await early).toBe(1);
    expect(await cache.get('kim')).toBe(2);
    await issuer.close();
  });
});

describe('while Redis is away', () => {
  /** A client whose calls fail as ioredis fails them. */
  const failing = (calls: { asked: number; fails: boolean }, real: Redis) => {
    const guarded =
      (method: 'evalsha' | 'eval') =>
      async (...args: [string, number, ...string[]]) => {
        calls.asked++;
        if (calls.fails) throw new Error('Connection is closed.');
        return real[method](...args);
      };
    return { evalsha: guarded('evalsha'), eval: guarded('eval') } as unknown as Redis;
  };

  test('values are loaded at a bounded rate, Redis is asked once, and a fault says so', async () => {
    const calls = { asked: 0, fails: true };
    const { issuer, faults } = issuerOn(failing(calls, redis));
    let loads = 0;
    const cache = issuer.cache({ ...GRADE, load: (key) => ++loads && key, withoutRedis: { loadsPerSecond: 20 } });
    expect(await cache.get('first')).toBe('first');
    const keys = Array.from({ length: 100 }, (_, i) => `user-${i}`);
    const ends = await Promise.allSettled(keys.map((key) => cache.get(key)));
    const told = ends.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    // Of the second in which the test runs, and of what becomes free meanwhile.
    expect(loads).toBeGreaterThanOrEqual(20);
    expect(loads).toBeLessThan(60);
    expect(told.length).toBe(101 - loads);
    for (const { reason } of told) {
      expect(reason).toBeInstanceOf(OverloadedError);
      expect(reason.retryAfterMs).toBeGreaterThan(0);
    }
    expect(calls.asked).toBe(1);
    expect(faults).toEqual([expect.stringContaining('Connection is closed')]);
  });

  test('or each call is told, where that is chosen', async () => {
    const calls = { asked: 0, fails: true };
    const { issuer } = issuerOn(failing(calls, redis));
    let loads = 0;
    const cache = issuer.cache({ ...GRADE, load: () => ++loads, withoutRedis: 'throw' });
    for (let i = 0; i < 3; i++) await expect(cache.get('kim')).rejects.toThrow(RedisError);
    expect([loads, calls.asked]).toEqual([0, 1]);
  });

  test('callers of one key share one load, and a later caller never gets a load from before it came', async () => {
    const { issuer } = issuerOn(failing({ asked: 0, fails: true }, redis));
    let loads = 0;
    const opens: (() => void)[] = [];
    const load = () => new Promise<number>((resolve) => opens.push(() => resolve(++loads)));
    const cache = issuer.cache({ ...GRADE, load });
    await until(async () => {
      void cache.get('warm').catch(() => {});
      return opens.length > 0;
    });
    const first = cache.get('kim');
    await until(async () => opens.length === 2);
    const later = [cache.get('kim'), cache.get('kim')];
    opens[1]!();
    expect(await first).toBe(1);
    await until(async () => opens.length === 3);
    opens[2]!();
    expect(await Promise.all(later)).toEqual([2, 2]);
    opens[0]!();
    await issuer.idle();
  });

  test('an invalidation is told that it did not arrive', async () => {
    const { issuer } = issuerOn(failing({ asked: 0, fails: true }, redis));
    const cache = issuer.cache({ ...GRADE, load: () => 'gold' });
    await expect(cache.invalidate('kim')).rejects.toThrow(/^cache.invalidate: /);
    await expect(cache.set('kim', 'gold')).rejects.toThrow(/^cache.set: /);
  });

  test('a Redis that is full serves the values that it has, and loads are not stored', async () => {
    const full = await RedisServer.start(['--maxmemory-policy', 'noeviction']);
    try {
      const client = full.client();
      const { issuer, faults } = issuerOn(client);
      let loads = 0;
      const cache = issuer.cache({ ...GRADE, load: (key) => ++loads && key });
      await cache.get('kim');
      await client.config('SET', 'maxmemory', '1');
      expect(await cache.get('lee')).toBe('lee');
      for (let i = 0; i < 5; i++) expect(await cache.get('kim')).toBe('kim');
      expect(loads).toBe(2);
      await cache.invalidate('kim');
      expect(await cache.get('kim')).toBe('kim');
      await cache.set('kim', 'set');
      expect(await cache.get('kim')).toBe('kim');
      const uncounted = issuer.cache({ ...GRADE, name: 'uncounted', load: (key) => key, redis: full.client() });
      await uncounted.set('lee', 'set');
      await issuer.idle();
      expect(await client.hexists(entryKeyOf('uncounted', 'lee'), 'lease')).toBe(0);
      // One of each cache.
      expect(faults).toEqual([expect.stringMatching(/OOM/), expect.stringMatching(/OOM/)]);
    } finally {
      await full.stop();
    }
  });
});

test('without the right to publish, changes are seen all the same, and one fault says so', async () => {
  await redis.call('ACL', 'SETUSER', 'mute', 'reset', 'on', '>secret', '~*', '&*', '+@all', '-publish');
  const client = server.client({ username: 'mute', password: 'secret', enableReadyCheck: false });
  const { issuer, faults } = issuerOn(client);
  let version = 1;
  const cache = issuer.cache({ ...GRADE, load: () => version });
  expect(await cache.get('kim')).toBe(1);
  version = 2;
  await expect(cache.invalidate('kim')).resolves.toBeUndefined();
  expect(await cache.get('kim')).toBe(2);
  expect(faults).toEqual([expect.stringContaining('may not PUBLISH')]);
});
