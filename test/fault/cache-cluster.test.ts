import { Cluster } from 'ioredis';
import { Cluster as Cluster6 } from 'ioredis-v6';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CouponIssuer } from '../../src/index.js';
import { entryKeyOf, Versions } from '../cache/support.js';
import { until } from '../support/checks/until.js';
import { client } from '../support/servers/fault-clients.js';
import { RedisCluster } from '../support/servers/redis-cluster.js';

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await RedisCluster.start();
});
afterAll(() => cluster.stop());

test('on a Cluster the entries of a cache lie in many slots, are loaded once, and invalidations reach each process', async () => {
  const clients = [client(new Cluster(cluster.addresses)), client(new Cluster6(cluster.addresses))];
  const issuers = clients.map((redis) => new CouponIssuer({ redis }));
  const versions = new Versions();
  const keys = Array.from({ length: 60 }, (_, i) => `user-${i}`);
  const options = { name: 'grade', ttlMs: 60_000, load: versions.load, local: { max: 100, ttlMs: 3_600_000 } };
  const [one, other] = [issuers[0]!.cache(options), issuers[1]!.cache(options)];
  const thirds = await Promise.all(keys.map((key) => cluster.thirdOf(entryKeyOf('grade', key))));
  expect(new Set(thirds)).toEqual(new Set([0, 1, 2]));
  await Promise.all([one.getMany(keys), other.getMany(keys)]);
  expect([...versions.loads.values()]).toEqual(keys.map(() => 1));
  await until(async () => (await cluster.listeners('{coupon:cache:grade}')).reduce((sum, n) => sum + n, 0) === 2);
  await other.getMany(keys);
  for (const key of keys) versions.commit(key);
  await Promise.all(keys.map((key) => one.invalidate(key)));
  expect(await one.getMany(keys)).toEqual(keys.map(() => 1));
  await until(async () => (await other.getMany(keys)).every((version) => version === 1));
  await one.set('user-0', 7);
  await until(async () => (await other.get('user-0')) === 7);
  await Promise.all(issuers.map((issuer) => issuer.close()));
});
