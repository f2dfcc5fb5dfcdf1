import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Cache } from '../../src/cache/cache.js';
import { ClosedError, HookError, InvalidArgumentError, MisconfiguredError } from '../../src/index.js';
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
const KEY = entryKeyOf('grade', 'kim');

function circle(): unknown {
  const customer: Record<string, unknown> = {};
  customer['kim@example.com'] = customer;
  return customer;
}

describe('a value that is no JSON', () => {
  const values: [string, () => unknown][] = [
    ['contains itself', circle],
    [
      'has a toJSON that quotes it',
      () => ({
        toJSON: () => {
          throw new Error('kim@example.com is no grade');
        },
      }),
    ],
    ['is NaN', () => Number.NaN],
    ['has Infinity in it', () => ({ limit: Number.POSITIVE_INFINITY })],
  ];

  test.each(values)('and that %s is a failed load, of which no word is told', async (_, value) => {
    const { issuer } = issuerOn(redis);
    const cache = issuer.cache({ ...GRADE, load: () => value() });
    const error = await cache.get('kim').then(
      (loaded) => loaded,
      (fault: unknown) => fault,
    );
    expect(error).toBeInstanceOf(HookError);
    expect(String((error as Error).cause)).toMatch(/must return JSON/);
    await issuer.idle();
    expect(await redis.hget(KEY, 'failed')).toMatch(/must return JSON/);
    expect(await redis.hget(KEY, 'failed')).not.toContain('kim@');
    // The words of the library are fixed, so a short key is not blotted out of them.
    expect(await cache.get('o').catch((fault: Error) => fault.message)).toContain(
      'load must return JSON, and null for',
    );
  });

  test.each(values)('and that %s is refused before any I/O where it is set', async (_, value) => {
    const { issuer } = issuerOn(redis);
    const cache = issuer.cache<unknown>({ ...GRADE, load: () => 'gold' });
    await expect(cache.set('kim', value())).rejects.toThrow(InvalidArgumentError);
    expect(await redis.keys('*')).toEqual([]);
  });

  test('and that something else wrote into Redis is loaded instead, and one fault says so without its text', async () => {
    const { issuer, faults } = issuerOn(redis);
    const cache = issuer.cache({ ...GRADE, load: () => 'gold' });
    await cache.get('kim');
    const stored = (await redis.hget(KEY, 'value'))!;
    await redis.hset(KEY, 'value', stored.replace('"gold"', 'kim@example.com'));
    await expect(cache.get('kim')).resolves.toBe('gold');
    expect(faults).toEqual([expect.stringMatching(/^cache grade: the text of a value is no JSON/)]);
    expect(faults.join()).not.toContain('kim@');
    await redis.hset(KEY, 'value', stored.replace('"gold"', 'kim@example.com'));
    const strict = issuerOn(redis).issuer.cache({ ...GRADE, load: () => 'gold', withoutRedis: 'throw' });
    await expect(strict.get('kim')).rejects.toThrow(MisconfiguredError);
  });
});

describe('a load', () => {
  test('that does not answer in time is told by its signal', async () => {
    const { issuer } = issuerOn(redis);
    const told: unknown[] = [];
    const load = (_: string, { signal }: { signal: AbortSignal }) =>
      new Promise<string>(() => signal.addEventListener('abort', () => told.push(signal.reason)));
    const cache = issuer.cache({ ...GRADE, load, loadTimeoutMs: 20 });
    await expect(cache.get('kim')).rejects.toThrow(HookError);
    expect(told).toEqual([expect.objectContaining({ message: 'no answer within 20 ms' })]);
  });

  test('that fails behind an answer says why in its fault', async () => {
    const { issuer, faults } = issuerOn(redis);
    let loads = 0;
    const load = () => {
      if (++loads > 1) throw new Error('connect ECONNREFUSED');
      return 'gold';
    };
    const cache = issuer.cache({ ...GRADE, load, jitter: 0, staleMs: 60_000 });
    await cache.get('kim');
    await stepClock(redis, 60_001);
    await expect(cache.get('kim')).resolves.toBe('gold');
    await issuer.idle();
    expect(faults).toEqual([expect.stringMatching(/^cache grade: load failed; .*connect ECONNREFUSED$/)]);
  });

  test('that outlives its caller is under way for the issuer until it ends', async () => {
    const tracked: Promise<unknown>[] = [];
    const parts = { timeoutMs: 1, options: GRADE, local: null, track: (work: Promise<unknown>) => tracked.push(work) };
    let fail = (_: Error) => {};
    const slow = new Promise<string>((_, reject) => {
      fail = reject;
    });
    const calls = { assertNotClosed: () => {}, call: (_: string, work: () => Promise<unknown>) => work() };
    const cache = new Cache(parts as never, { get: () => slow } as never, calls as never);
    await expect(cache.get('kim')).rejects.toThrow(/no value within 1 ms/);
    expect(tracked.length).toBe(1);
    fail(new Error('too late for anybody'));
    await expect(tracked[0]).resolves.toBeUndefined();
  });
});

test('getMany reads no further key once one has failed', async () => {
  const { issuer } = issuerOn(redis);
  const keys = Array.from({ length: 2_000 }, (_, i) => `user-${i}`);
  let loads = 0;
  const load = (key: string) => {
    loads++;
    if (key === 'user-0') throw new Error('no');
    return key;
  };
  await expect(issuer.cache({ ...GRADE, load }).getMany(keys)).rejects.toThrow(HookError);
  await issuer.idle();
  expect(loads).toBeLessThan(1_000);
});

test('warm ends with the issuer, between two keys', async () => {
  const { issuer } = issuerOn(redis);
  const cache = issuer.cache({ ...GRADE, load: (key) => key });
  let closing: Promise<void> | null = null;
  let asked = 0;
  async function* keys() {
    for (; asked < 1_000; asked++) yield `user-${asked}`;
  }
  const onProgress = () => {
    closing ??= issuer.close();
  };
  await expect(cache.warm(keys(), { onProgress, concurrency: 1 })).rejects.toThrow(ClosedError);
  await closing;
  expect(asked).toBeLessThan(10);
  await expect(cache.warm([])).rejects.toThrow(ClosedError);
});
