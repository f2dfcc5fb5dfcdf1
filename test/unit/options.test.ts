import { Cluster, Redis } from 'ioredis';
import RedisMock from 'ioredis-mock';
import { expect, test } from 'vitest';
import { CouponIssuer, type CouponIssuerOptions, InvalidArgumentError, MemoryPersistence } from '../../src/index.js';
import { checkedOptions } from '../../src/options.js';

const redis = { evalsha: async () => [], eval: async () => [] };

test('what is left out has its default, also where undefined is given', () => {
  const defaults = {
    prefix: 'coupon',
    leaseMs: 30_000,
    timeoutMs: 10_000,
    maxBatch: 500,
    maxInFlight: 2,
    maxQueued: 10_000,
    refusalCacheMs: 0,
    maxDeliveries: 32,
    maxTries: 10,
  };
  expect(checkedOptions({ redis })).toEqual({ redis, ...defaults });
  const undefineds = { prefix: undefined, leaseMs: undefined, deliver: undefined, persistence: undefined };
  expect(checkedOptions({ redis, ...undefineds } as unknown as CouponIssuerOptions)).toEqual({ redis, ...defaults });
});

test.each<[string, Record<string, unknown>]>([
  ['no client', { redis: undefined }],
  ['null for a client', { redis: null }],
  ['a URL for a client', { redis: 'redis://localhost' }],
  ['a client that cannot run scripts', { redis: { get: () => {} } }],
  ['a misspelt option', { maxbatch: 5 }],
  ['a persistence without save', { persistence: {} }],
  ['null for persistence', { persistence: null }],
  ['a deliver that is no function', { deliver: 'https://partner' }],
  ['a recall that is no function', { recall: {} }],
  ['an eligible that is no function', { eligible: true }],
  ['an observer that is no function', { onEvent: [] }],
  ['an empty prefix', { prefix: '' }],
  ['a prefix with a brace', { prefix: 'a}b' }],
  ['a prefix that is a number', { prefix: 7 }],
  ['timeoutMs 0', { timeoutMs: 0 }],
  ['timeoutMs above its range', { timeoutMs: 600_001 }],
  ['timeoutMs in words', { timeoutMs: '10s' }],
  ['leaseMs below its range', { leaseMs: 999, timeoutMs: 1 }],
  ['leaseMs above its range', { leaseMs: 3_600_001 }],
  ['a lease no longer than the time-out', { leaseMs: 5_000, timeoutMs: 5_000 }],
  ['maxBatch 0', { maxBatch: 0 }],
  ['maxBatch above its range', { maxBatch: 1_001 }],
  ['maxBatch that is no whole number', { maxBatch: 1.5 }],
  ['maxInFlight 0', { maxInFlight: 0 }],
  ['maxInFlight above its range', { maxInFlight: 65 }],
  ['maxQueued 0', { maxQueued: 0 }],
  ['maxQueued without bound', { maxQueued: Number.POSITIVE_INFINITY }],
  ['refusalCacheMs below 0', { refusalCacheMs: -1 }],
  ['refusalCacheMs above its range', { refusalCacheMs: 60_001 }],
  ['maxDeliveries 0', { maxDeliveries: 0 }],
  ['maxDeliveries above its range', { maxDeliveries: 10_001 }],
])('%s is refused before any I/O', (_, change) => {
  const options = { redis, persistence: new MemoryPersistence(), ...change } as unknown as CouponIssuerOptions;
  expect(() => new CouponIssuer(options)).toThrow(InvalidArgumentError);
});

test.each([undefined, null, 'redis', []])('options that are %j are refused', (options) => {
  expect(() => new CouponIssuer(options as unknown as CouponIssuerOptions)).toThrow(InvalidArgumentError);
});

test('the edges of every range are taken', () => {
  checkedOptions({ redis, timeoutMs: 1, leaseMs: 1_000, maxBatch: 1, maxInFlight: 1, maxQueued: 1, maxDeliveries: 1 });
  const most = {
    maxBatch: 1_000,
    maxInFlight: 64,
    maxQueued: 1_000_000,
    refusalCacheMs: 60_000,
    maxDeliveries: 10_000,
  };
  checkedOptions({ redis, timeoutMs: 600_000, leaseMs: 3_600_000, ...most });
});

test('a client with keyPrefix is refused, whether single, Cluster or mock; one without is taken', () => {
  const nodes = [{ host: '127.0.0.1', port: 1 }];
  const lazy = { lazyConnect: true };
  const prefixed = [
    new Redis({ ...lazy, keyPrefix: 'app:' }),
    new Cluster(nodes, { ...lazy, keyPrefix: 'app:' }),
    new Cluster(nodes, { ...lazy, redisOptions: { keyPrefix: 'app:' } }),
    new RedisMock({ ...lazy, keyPrefix: 'app:' }),
  ];
  const shapes = [
    { ...redis, options: { keyPrefix: 'app:' } },
    { ...redis, options: { redisOptions: { keyPrefix: 'app:' } } },
  ];
  for (const client of [...prefixed, ...shapes])
    expect(() => new CouponIssuer({ redis: client })).toThrow('use the option prefix');
  const plain = [new Redis(lazy), new Cluster(nodes, lazy), new RedisMock(lazy)];
  for (const client of plain) expect(() => new CouponIssuer({ redis: client })).not.toThrow();
  for (const client of [...prefixed, ...plain]) client.disconnect();
});
