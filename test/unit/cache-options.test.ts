import { expect, test } from 'vitest';
import { type CacheOptions, CouponIssuer, InvalidArgumentError, type RedisClient } from '../../src/index.js';

let sent = 0;
const send = async () => {
  sent++;
  return [];
};
const redis: RedisClient = { evalsha: send, eval: send };
const issuer = () => new CouponIssuer({ redis, timeoutMs: 1_000 });
const GOOD: CacheOptions<string> = { name: 'grade', ttlMs: 1_000, load: () => 'gold' };

test.each([
  ['name', { name: 'a:b' }],
  ['name', { name: undefined }],
  ['load', { load: undefined }],
  ['ttlMs', { ttlMs: 9 }],
  ['ttlMs', { ttlMs: 1.5 }],
  ['ttlMs', { ttlMs: 2_592_000_001 }],
  ['staleMs', { staleMs: -1 }],
  ['beta', { beta: Number.NaN }],
  ['beta', { beta: 101 }],
  ['jitter', { jitter: 0.91 }],
  ['maxBytes', { maxBytes: 0 }],
  ['maxTotalBytes', { maxTotalBytes: 999 }],
  ['loadTimeoutMs', { loadTimeoutMs: 501 }],
  ['local.max', { local: { max: 0, ttlMs: 1 } }],
  ['local.ttlMs', { local: { max: 1, ttlMs: 3_600_001 } }],
  ['withoutRedis', { withoutRedis: 'load' }],
  ['withoutRedis.loadsPerSecond', { withoutRedis: { loadsPerSecond: 0 } }],
])('a wrong %s of a cache is named before anything is sent: %j', (argument, wrong) => {
  const make = () => issuer().cache({ ...GOOD, ...(wrong as object) });
  expect(make).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', argument }));
  expect(sent).toBe(0);
});

test.each([{ ttl: 5 }, { local: { max: 1, ttlMs: 1, size: 1 } }, { withoutRedis: { perSecond: 1 } }])(
  'an option that there is not is refused: %j',
  (wrong) => {
    expect(() => issuer().cache({ ...GOOD, ...(wrong as object) })).toThrow(InvalidArgumentError);
  },
);

test('a name is that of one cache, and a client that cannot run scripts is refused', () => {
  const own = issuer();
  own.cache(GOOD);
  expect(() => own.cache(GOOD)).toThrow(/make a cache once, and keep it/);
  expect(() => own.cache({ ...GOOD, name: 'other', redis: {} as RedisClient })).toThrow(/ioredis client/);
});

test('a key, a value and the options of warm are checked before anything is sent', async () => {
  const cache = issuer().cache(GOOD as CacheOptions<unknown>);
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const wrong = [
    cache.get(''),
    cache.get('x'.repeat(129)),
    cache.get(5 as never),
    cache.getMany('kim' as never),
    cache.getMany(['kim', '\0']),
    cache.set('kim', undefined),
    cache.set('kim', circle),
    cache.invalidate('\ud800'),
    cache.warm(['kim'], { concurrency: 0 }),
    cache.warm(5 as never),
  ];
  for (const call of wrong) await expect(call).rejects.toThrow(InvalidArgumentError);
  expect(sent).toBe(0);
});
