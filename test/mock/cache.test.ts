import { expect, test } from 'vitest';
import { HookError } from '../../src/index.js';
import { mockIssuer, mockRedis } from './support.js';

const GRADE = { name: 'grade', ttlMs: 60_000 } as const;

test('a cache loads once, and values of all kinds come back', async () => {
  const issuer = mockIssuer();
  let loads = 0;
  const value = { 이름: '김', n: 1.5, list: [null, true, ''] };
  const cache = issuer.cache({ ...GRADE, load: (key) => ++loads && { key, ...value } });
  const got = await Promise.all(Array.from({ length: 50 }, () => cache.get('kim')));
  for (const one of got) expect(one).toEqual({ key: 'kim', ...value });
  expect(await cache.get('kim')).toEqual({ key: 'kim', ...value });
  expect(loads).toBe(1);
  await issuer.close();
});

test('two issuers share a cache, and an invalidation ends its value in both', async () => {
  const redis = mockRedis();
  const [one, other] = [mockIssuer({ redis }), mockIssuer({ redis: redis.duplicate() })];
  let version = 1;
  const caches = [one, other].map((issuer) => issuer.cache({ ...GRADE, load: () => version }));
  expect(await Promise.all(caches.map((cache) => cache.get('kim')))).toEqual([1, 1]);
  version = 2;
  await caches[0]!.invalidate('kim');
  expect(await Promise.all(caches.map((cache) => cache.get('kim')))).toEqual([2, 2]);
  await caches[1]!.set('kim', 3);
  expect(await caches[0]!.get('kim')).toBe(3);
  await Promise.all([one.close(), other.close()]);
});

test('a load that fails is told to all, and its mark to the next caller', async () => {
  const issuer = mockIssuer();
  let loads = 0;
  const load = async () => {
    loads++;
    throw new TypeError('no customer');
  };
  const cache = issuer.cache({ ...GRADE, load });
  await expect(cache.get('kim')).rejects.toThrow(HookError);
  await issuer.idle();
  const error = (await cache.get('kim').catch((fault: unknown) => fault)) as Error;
  expect(error.cause).toMatchObject({ name: 'TypeError', message: 'no customer' });
  expect(loads).toBe(1);
});

test('values are counted, and those beyond maxTotalBytes are not stored', async () => {
  const issuer = mockIssuer();
  let loads = 0;
  const cache = issuer.cache({ ...GRADE, load: () => ++loads && 'gold', maxTotalBytes: 1_000 });
  for (const key of ['kim', 'lee', 'kim', 'lee', 'lee']) expect(await cache.get(key)).toBe('gold');
  expect(loads).toBe(4);
});

test('eligible asks a cache', async () => {
  const blocked = new Set(['mallory']);
  const issuer = mockIssuer({
    eligible: async ({ userId }) => ((await blockList.get(userId)) ? { reason: 'blocked' } : true),
  });
  const blockList = issuer.cache({ name: 'blocked', ttlMs: 60_000, load: (userId) => blocked.has(userId) });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: 5 } });
  expect((await launch.issue({ userId: 'kim' })).status).toBe('issued');
  expect(await launch.issue({ userId: 'mallory' })).toMatchObject({ status: 'not_eligible', reason: 'blocked' });
});
