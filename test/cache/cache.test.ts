import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ClosedError, HookError } from '../../src/index.js';
import { until } from '../support/checks/until.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { entryKeyOf, issuerOn, stepClock, Versions } from './support.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => redis.flushall());

const GRADE = { name: 'grade', ttlMs: 60_000, beta: 0 } as const;
const KEY = entryKeyOf('grade', 'kim');
/** A promise that a test settles. */
function gate<T>() {
  let open!: (value: T) => void;
  const opened = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}
const leaseIsHeld = async () => (await redis.hexists(KEY, 'lease')) === 1;

test('1,000 callers of a cold key in three processes make one load, and all get its value', async () => {
  const versions = new Versions();
  const processes = [1, 2, 3].map(() => issuerOn(server.client()).issuer);
  const caches = processes.map((issuer) =>
    issuer.cache({ ...GRADE, load: (key: string) => versions.load(key, { ms: 50 }) }),
  );
  versions.commit('kim');
  const values = await Promise.all(Array.from({ length: 1_000 }, (_, i) => caches[i % 3]!.get('kim')));
  expect(new Set(values)).toEqual(new Set([1]));
  expect(versions.loads.get('kim')).toBe(1);
  await Promise.all(processes.map((issuer) => issuer.close()));
});

test('a value is the JSON of its load for every caller alike, and nobody can change it', async () => {
  const { issuer } = issuerOn(redis);
  const cache = issuer.cache({
    ...GRADE,
    load: async () => ({ 이름: '김', since: new Date(0), tags: ['a'] }) as unknown,
  });
  const [first, second] = [await cache.get('kim'), await cache.get('kim')];
  expect(first).toEqual({ 이름: '김', since: '1970-01-01T00:00:00.000Z', tags: ['a'] });
  expect(second).toEqual(first);
  expect(Object.isFrozen((first as { tags: unknown }).tags)).toBe(true);
});

test('not found is a value, and is loaded once', async () => {
  const { issuer } = issuerOn(redis);
  let loads = 0;
  const cache = issuer.cache({ ...GRADE, load: () => ++loads && null });
  expect([await cache.get('kim'), await cache.get('kim'), loads]).toEqual([null, null, 1]);
});

test('Redis gets no key as text, and value and lease have one tag of their own', async () => {
  const { issuer } = issuerOn(redis);
  const cache = issuer.cache({ ...GRADE, load: () => 'gold' });
  await cache.get('kim');
  expect(KEY).toMatch(/^\{coupon:cache:grade:[\w-]{22}\}$/);
  expect((await redis.keys('*')).sort()).toEqual(['{coupon:cache:grade}', KEY].sort());
  expect(await redis.pttl(KEY)).toBeGreaterThan(0);
  expect(await redis.pttl('{coupon:cache:grade}')).toBeGreaterThan(0);
});

test('getMany returns values in the order of its keys, each loaded once', async () => {
  const { issuer } = issuerOn(redis);
  const loads: string[] = [];
  const cache = issuer.cache({ ...GRADE, load: (key) => loads.push(key) && `grade of ${key}` });
  const keys = Array.from({ length: 200 }, (_, i) => `user-${i % 150}`);
  expect(await cache.getMany(keys)).toEqual(keys.map((key) => `grade of ${key}`));
  expect(loads.length).toBe(150);
});

describe('after an invalidation', () => {
  test('the next call loads, in every process', async () => {
    const versions = new Versions();
    const [here, there] = [issuerOn(server.client()).issuer, issuerOn(server.client()).issuer];
    const caches = [here, there].map((issuer) => issuer.cache({ ...GRADE, load: versions.load }));
    expect(await Promise.all(caches.map((cache) => cache.get('kim')))).toEqual([0, 0]);
    versions.commit('kim');
    await caches[0]!.invalidate('kim');
    expect(await caches[1]!.get('kim')).toBe(1);
  });

  test('a load that began before it stores nothing, and only the callers that came before get its value', async () => {
    const { issuer } = issuerOn(redis);
    const loads = [gate<string>(), gate<string>()];
    let begun = 0;
    const cache = issuer.cache({ ...GRADE, load: () => loads[begun++]!.opened });
    const before = cache.get('kim');
    await until(leaseIsHeld);
    await cache.invalidate('kim');
    const after = cache.get('kim');
    loads[0]!.open('old');
    expect(await before).toBe('old');
    loads[1]!.open('new');
    expect(await after).toBe('new');
    expect(await cache.get('kim')).toBe('new');
    expect(begun).toBe(2);
  });

  test('a look that another caller had sent before does not answer', async () => {
    const client = server.client();
    const evalsha = client.evalsha.bind(client);
    const held = gate<void>();
    let isHolding = false;
    // The answer to a look arrives late.
    Object.assign(client, {
      evalsha: async (...args: Parameters<typeof evalsha>) => {
        const holds = isHolding;
        isHolding = false;
        const reply = await evalsha(...args);
        if (holds) await held.opened;
        return reply;
      },
    });
    const versions = new Versions();
    const cache = issuerOn(client).issuer.cache({ ...GRADE, load: versions.load });
    expect(await cache.get('kim')).toBe(0);
    isHolding = true;
    const early = cache.get('kim');
    await until(async () => !isHolding);
    versions.commit('kim');
    const other = issuerOn(server.client()).issuer.cache({ ...GRADE, load: versions.load });
    await other.invalidate('kim');
    const late = cache.get('kim');
    held.open();
    expect([await early, await late]).toEqual([0, 1]);
  });
});

test('a value that is set is answered at once, and a load that began before stores nothing', async () => {
  const { issuer } = issuerOn(redis);
  const slow = gate<string>();
  const cache = issuer.cache({ ...GRADE, load: () => slow.opened });
  const before = cache.get('kim');
  await until(leaseIsHeld);
  await cache.set('kim', 'silver');
  slow.open('old');
  expect(await before).toBe('old');
  expect(await cache.get('kim')).toBe('silver');
});

describe('a load that fails', () => {
  test('is made once per mark for 1,000 callers in two processes, and each is told its error', async () => {
    const [one, other] = [issuerOn(server.client()).issuer, issuerOn(server.client()).issuer];
    let loads = 0;
    const load = async (key: string): Promise<string> => {
      loads++;
      throw Object.assign(new TypeError(`no customer ${key} at postgres://me:secret@db`), { detail: key });
    };
    const caches = [one, other].map((issuer) => issuer.cache({ ...GRADE, load }));
    const asked = Array.from({ length: 1_000 }, (_, i) => caches[i % 2]!.get('kim').catch((error: unknown) => error));
    const errors = (await Promise.all(asked)) as HookError[];
    expect(loads).toBe(1);
    for (const error of errors) {
      expect(error).toBeInstanceOf(HookError);
      expect(error.message).toMatch(/^cache grade: load failed/);
      expect(error.cause).toMatchObject({ name: 'TypeError', message: expect.stringMatching(/^no customer/) });
      expect(JSON.stringify([error, String(error.cause)])).not.toMatch(/kim|secret/);
    }
    expect(await redis.hget(KEY, 'failed')).not.toMatch(/kim|secret/);
    await stepClock(redis, 1_001);
    await caches[0]!.get('kim').catch(() => {});
    expect(loads).toBe(2);
  });

  test('leaves a stale value to be answered, and tells a fault', async () => {
    const { issuer, faults } = issuerOn(redis);
    let [fails, loads] = [false, 0];
    const load = async () => {
      loads++;
      if (fails) throw new Error('the database is away');
      return 'gold';
    };
    const cache = issuer.cache({ ...GRADE, load, jitter: 0, staleMs: 60_000 });
    await cache.get('kim');
    fails = true;
    await stepClock(redis, 60_001);
    expect(await cache.get('kim')).toBe('gold');
    await issuer.idle();
    expect(faults).toEqual([expect.stringContaining('cache grade: load failed')]);
    for (let i = 0; i < 5; i++) expect(await cache.get('kim')).toBe('gold');
    await issuer.idle();
    expect(loads).toBe(2);
  });

  test('ends at its deadline, though its loader hangs', async () => {
    const { issuer } = issuerOn(redis, { timeoutMs: 1_000 });
    const cache = issuer.cache({ ...GRADE, load: () => new Promise<string>(() => {}), loadTimeoutMs: 20 });
    const error = await cache.get('kim').catch((fault: unknown) => fault);
    expect((error as Error).cause).toMatchObject({ message: 'no answer within 20 ms' });
  });

  test.each([undefined, () => {}, 5n])('so does a load that returns %s, which is no JSON', async (value) => {
    const { issuer } = issuerOn(redis);
    await expect(issuer.cache({ ...GRADE, load: () => value as unknown }).get('kim')).rejects.toThrow(HookError);
  });
});

describe('before a value expires', () => {
  test('a caller that draws early gets it at once, and one process loads the next behind the answer', async () => {
    const { issuer } = issuerOn(redis);
    const second = gate<string>();
    let loads = 0;
    const load = () => (++loads === 1 ? 'first' : second.opened);
    const cache = issuer.cache({ ...GRADE, load, beta: 100 });
    expect(await cache.get('kim')).toBe('first');
    // As if the load had taken 30 s, nearly any draw is early.
    const stored = (await redis.hget(KEY, 'value'))!;
    await redis.hset(KEY, 'value', stored.replace(/:\d+:"first"$/, ':30000:"first"'));
    for (let i = 0; i < 200; i++) expect(await cache.get('kim')).toBe('first');
    expect(loads).toBe(2);
    second.open('second');
    await issuer.idle();
    expect(await cache.get('kim')).toBe('second');
    expect(loads).toBe(2);
  });

  test('none is refreshed early where beta is 0', async () => {
    const { issuer } = issuerOn(redis);
    let loads = 0;
    const cache = issuer.cache({ ...GRADE, load: () => ++loads, jitter: 0 });
    await cache.get('kim');
    await stepClock(redis, 50_000);
    for (let i = 0; i < 20; i++) await cache.get('kim');
    expect(loads).toBe(1);
  });
});

test('keys that were written together do not expire together', async () => {
  const { issuer } = issuerOn(redis);
  const cache = issuer.cache({ ...GRADE, load: () => 'gold', jitter: 0.5 });
  const keys = Array.from({ length: 50 }, (_, i) => `user-${i}`);
  await cache.getMany(keys);
  const values = await Promise.all(keys.map((key) => redis.hget(entryKeyOf('grade', key), 'value')));
  const left = values.map((value) => {
    const [storedAt, expiresAt] = value!.split(':').map(Number) as [number, number];
    return expiresAt - storedAt;
  });
  expect(Math.max(...left) - Math.min(...left)).toBeGreaterThan(5_000);
  for (const ms of left) {
    expect(ms).toBeLessThanOrEqual(60_000);
    expect(ms).toBeGreaterThan(20_000);
  }
});

describe('when the clock of Redis is set back', () => {
  test('a lease of a process that is gone holds nobody up for as long as the step', async () => {
    const [dead, alive] = [issuerOn(server.client()).issuer, issuerOn(server.client()).issuer];
    void dead
      .cache({ ...GRADE, load: () => new Promise<string>(() => {}) })
      .get('kim')
      .catch(() => {});
    await until(leaseIsHeld);
    await stepClock(redis, -3_600_000);
    expect(await alive.cache({ ...GRADE, load: () => 'gold' }).get('kim')).toBe('gold');
  });

  test('a value does not live longer by the step', async () => {
    const { issuer } = issuerOn(redis);
    let loads = 0;
    const cache = issuer.cache({ ...GRADE, load: () => ++loads });
    await cache.get('kim');
    await stepClock(redis, -3_600_000);
    expect(await cache.get('kim')).toBe(2);
  });

  test('a failure is not told for as long as the step', async () => {
    const { issuer } = issuerOn(redis);
    let loads = 0;
    const load = async () => {
      if (++loads === 1) throw new Error('no');
      return 'gold';
    };
    const cache = issuer.cache({ ...GRADE, load });
    await expect(cache.get('kim')).rejects.toThrow(HookError);
    await issuer.idle();
    await stepClock(redis, -3_600_000);
    expect(await cache.get('kim')).toBe('gold');
  });
});

test('when the lease ran out under a holder that is gone, one other process loads', async () => {
  const versions = new Versions();
  const dead = issuerOn(server.client()).issuer;
  void dead
    .cache({ ...GRADE, load: () => new Promise<number>(() => {}) })
    .get('kim')
    .catch(() => {});
  await until(leaseIsHeld);
  const others = [1, 2].map(() => issuerOn(server.client()).issuer.cache({ ...GRADE, load: versions.load }));
  const waiting = others.map((cache) => cache.get('kim'));
  await stepClock(redis, 4_001);
  expect(await Promise.all(waiting)).toEqual([0, 0]);
  expect(versions.loads.get('kim')).toBe(1);
});

test('when Redis loses everything in the middle of a load, its value is returned and not stored', async () => {
  const { issuer } = issuerOn(redis);
  const load = gate<string>();
  const cache = issuer.cache({ ...GRADE, load: () => load.opened });
  const asked = cache.get('kim');
  await until(leaseIsHeld);
  await redis.flushall();
  load.open('gold');
  expect(await asked).toBe('gold');
  expect(await redis.hexists(KEY, 'value')).toBe(0);
});

describe('warm', () => {
  test('loads what is missing, counts what fails, and goes on', async () => {
    const { issuer } = issuerOn(redis);
    const loads: string[] = [];
    const load = async (key: string) => {
      loads.push(key);
      if (key === 'bad') throw new Error('no');
      return key;
    };
    const cache = issuer.cache({ ...GRADE, load });
    await cache.get('kim');
    const told: number[] = [];
    const onProgress = ({ warmed, failed }: { warmed: number; failed: number }) => void told.push(warmed + failed);
    async function* keys() {
      yield* ['kim', 'bad', 'lee', 'park'];
    }
    const result = await cache.warm(keys(), { onProgress, concurrency: 2 });
    expect(result).toMatchObject({ warmed: 3, failed: 1, firstError: expect.any(HookError) });
    expect(loads.sort()).toEqual(['bad', 'kim', 'lee', 'park']);
    expect(told).toEqual([1, 2, 3, 4]);
  });

  test('ends with the signal, and with the error of its observer', async () => {
    const { issuer } = issuerOn(redis);
    const cache = issuer.cache({ ...GRADE, load: (key) => key });
    const stop = new AbortController();
    const keys = Array.from({ length: 100 }, (_, i) => `user-${i}`);
    const aborted = cache.warm(keys, { signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) });
    await expect(aborted).rejects.toThrow('enough');
    const throws = () => {
      throw new Error('of the observer');
    };
    await expect(cache.warm(keys, { onProgress: throws })).rejects.toThrow('of the observer');
  });
});

test('after close each call is refused, and a caller that waits for another process gets its end first', async () => {
  const dead = issuerOn(server.client()).issuer;
  void dead
    .cache({ ...GRADE, load: () => new Promise<string>(() => {}) })
    .get('kim')
    .catch(() => {});
  await until(leaseIsHeld);
  const { issuer } = issuerOn(server.client());
  const cache = issuer.cache({ ...GRADE, load: () => 'gold' });
  const waiting = cache.get('kim').catch((error: unknown) => error);
  await issuer.close();
  expect(await waiting).toBeInstanceOf(HookError);
  for (const call of [
    cache.get('kim'),
    cache.getMany(['kim']),
    cache.set('kim', 'x'),
    cache.invalidate('kim'),
    cache.warm([]),
  ])
    await expect(call).rejects.toThrow(ClosedError);
  expect(() => issuer.cache({ ...GRADE, name: 'other', load: () => 1 })).toThrow(ClosedError);
});
