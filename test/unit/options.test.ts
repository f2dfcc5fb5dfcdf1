// cspell:ignore maxbatch
import { Cluster, Redis } from 'ioredis';
import RedisMock from 'ioredis-mock';
import { Cluster as OldCluster, Redis as OldRedis } from 'ioredis-oldest';
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis-v6';
import { expect, test } from 'vitest';
import {
  CouponIssuer,
  type CouponIssuerOptions,
  InvalidArgumentError,
  MemoryPersistence,
  type RedisClient,
} from '../../src/index.js';
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
  const absent = { prefix: undefined, leaseMs: undefined, deliver: undefined, persistence: undefined };
  expect(checkedOptions({ redis, ...absent } as unknown as CouponIssuerOptions)).toEqual({ redis, ...defaults });
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

test('an instance of each version of ioredis and of the mock is taken, and so is a wrapper of two methods', () => {
  const nodes = [{ host: '127.0.0.1', port: 1 }];
  const lazy = { lazyConnect: true };
  const pipelined = { ...lazy, enableAutoPipelining: true };
  const fit = [
    ...[new Redis(lazy), new Redis(pipelined), new Cluster(nodes, lazy), new Cluster(nodes, pipelined)],
    ...[new Redis6(lazy), new Redis6(pipelined), new Cluster6(nodes, lazy), new Cluster6(nodes, pipelined)],
    ...[new OldRedis(lazy), new OldRedis(pipelined), new OldCluster(nodes, lazy)],
    new OldCluster(nodes, { ...pipelined, autoPipeliningIgnoredCommands: ['evalsha', 'eval'] }),
    ...[new RedisMock(lazy), new RedisMock.Cluster(nodes)],
  ] as (RedisClient & { disconnect(): void })[];
  for (const client of [...fit, redis]) expect(() => new CouponIssuer({ redis: client })).not.toThrow();
  for (const client of fit) client.disconnect();
});

const oldCluster = (options: Record<string, unknown>) =>
  new OldCluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true, enableAutoPipelining: true, ...options });
const offline = () => new Redis({ port: 9, lazyConnect: true });
const respond = (..._: unknown[]) => undefined;

test.each<[string, () => unknown, RegExp]>([
  ['a class', () => Redis, /this is a class/],
  ['a pipeline', () => offline().pipeline(), /a pipeline or a transaction/],
  ['a transaction', () => offline().multi(), /a pipeline or a transaction/],
  ['a pipeline of ioredis 6', () => new Redis6({ lazyConnect: true }).pipeline(), /a pipeline or a transaction/],
  ['a pipeline of the mock', () => new RedisMock().pipeline(), /must be an ioredis client/],
  [
    'a client that was closed',
    () => {
      const closed = offline();
      closed.disconnect();
      return closed;
    },
    /was closed/,
  ],
  ['a subscriber', () => Object.assign(offline(), { condition: { subscriber: {} } }), /listens/],
  ['a REST client', () => ({ evalsha: async () => [], eval: async () => [], hset: async () => 1 }), /another library/],
  [
    'a client with callbacks',
    () => ({ evalsha: respond, eval: respond, HSET: respond, on: respond }),
    /another library/,
  ],
  ['a client without evalsha', () => ({ evalSha: respond, eval: respond, hSet: respond }), /must be an ioredis client/],
  ['a Cluster of ioredis 5.4 with enableAutoPipelining', () => oldCluster({}), /enableAutoPipelining.*5\.11/],
  [
    'the same with one of the two commands left out of it',
    () => oldCluster({ autoPipeliningIgnoredCommands: ['evalsha'] }),
    /enableAutoPipelining/,
  ],
])('%s is refused by name, before any I/O', (_, made, words) => {
  const client = made() as RedisClient;
  expect(() => new CouponIssuer({ redis: client })).toThrow(words);
  expect(() => new CouponIssuer({ redis: client })).toThrow(InvalidArgumentError);
});

test('a wrapper that answers without a promise is refused by name at the first call', async () => {
  const wrapper = { evalsha: respond, eval: respond } as unknown as RedisClient;
  const opened = new CouponIssuer({ redis: wrapper }).campaign('c').open({ stock: { kind: 'counted', total: 1 } });
  await expect(opened).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: /gives no promise/ });
});
