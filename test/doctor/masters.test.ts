import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { CouponIssuer, type Diagnosis } from '../../src/index.js';
import { serverFacts } from '../../src/redis/server-facts.js';
import type { RedisContext } from '../../src/redis/shard.js';
import { client } from '../support/servers/fault-clients.js';
import { RedisCluster } from '../support/servers/redis-cluster.js';
import { ask, type Node } from '../support/servers/redis-node.js';
import { SentinelGroup } from '../support/servers/redis-sentinel.js';

let cluster: RedisCluster;
let sentinels: SentinelGroup;
let issuer: CouponIssuer;
beforeAll(async () => {
  [cluster, sentinels] = await Promise.all([RedisCluster.start(), SentinelGroup.start()]);
  const every = cluster.nodes.flatMap((node) => [
    set(node, 'appendonly', 'yes'),
    // A master that is gone stays away, and the others go on.
    set(node, 'cluster-replica-no-failover', 'yes'),
    set(node, 'cluster-require-full-coverage', 'no'),
  ]);
  await Promise.all(every);
});
afterAll(() => Promise.all([cluster.stop(), sentinels.stop()]));
afterEach(async () => {
  vi.useRealTimers();
  await issuer.close();
});

const set = (node: Node, name: string, value: string) => ask(node.server, 'CONFIG', 'SET', name, value);

async function runIdOf({ server }: Node): Promise<string> {
  return /run_id:(\w{8})/.exec(String(await ask(server, 'INFO', 'server')))![1]!;
}

/** The findings about servers. */
async function findings(): Promise<string[]> {
  const found = (await issuer.diagnose()).filter(
    ({ check, verdict }) => check.startsWith('redis.') && verdict !== 'ok',
  );
  return found.map(({ check, verdict, found: says }) => `${check} ${verdict} ${says}`).sort();
}

const rowsOf = (found: readonly Diagnosis[], check: Diagnosis['check']) => found.filter((one) => one.check === check);

async function onCluster(): Promise<void> {
  const redis = client(new Cluster(cluster.addresses, { redisOptions: { maxRetriesPerRequest: 0 } }));
  await new Promise<void>((resolve) => redis.once('ready', resolve));
  issuer = new CouponIssuer({ redis, timeoutMs: 1_000 });
}

test('each master of a Cluster is asked for its settings, its clock and the rights on it', async () => {
  await onCluster();
  const healthy = await issuer.diagnose();
  expect(await findings()).toEqual([]);
  const runIds = await Promise.all(cluster.nodes.slice(0, 3).map(runIdOf));
  for (const check of ['redis.append_only', 'redis.eviction', 'redis.clock', 'redis.role'] as const) {
    const named = rowsOf(healthy, check).map(({ found }) => /run_id (\w+)/.exec(found)?.[1]);
    expect([check, named.sort()]).toEqual([check, [...runIds].sort()]);
  }
  await set(cluster.nodes[1]!, 'maxmemory-policy', 'allkeys-lru');
  await set(cluster.nodes[2]!, 'appendonly', 'no');
  await ask(cluster.nodes[0]!.server, 'ACL', 'SETUSER', 'default', '-zadd');
  expect(await findings()).toEqual([
    `redis.append_only warning appendonly no (run_id ${runIds[2]})`,
    `redis.eviction fault maxmemory-policy allkeys-lru (run_id ${runIds[1]})`,
    'redis.rights fault this user may not run ZADD on 1 of 3 masters',
  ]);
  await set(cluster.nodes[1]!, 'maxmemory-policy', 'noeviction');
  await set(cluster.nodes[2]!, 'appendonly', 'yes');
  await ask(cluster.nodes[0]!.server, 'ACL', 'SETUSER', 'default', '+zadd');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 5_000 });
  expect(rowsOf(await issuer.diagnose(), 'redis.clock').map(({ verdict }) => verdict)).toEqual(
    Array.from({ length: 3 }, () => 'warning'),
  );
});

test('a master of a single slot is asked too, each of them once', async () => {
  await onCluster();
  const slots = Array.from({ length: 16_384 }, (_, slot) => [slot === 777 ? 'small' : slot < 9_000 ? 'one' : 'two']);
  const keys: string[] = [];
  const run = async (_: unknown, given: { keys: { campaign: string } }) => {
    keys.push(given.keys.campaign);
    return ['ok', '', '', '', '', '', '0'];
  };
  const context = { prefix: 'coupon', timeoutMs: 1_000, runner: { run } } as unknown as RedisContext;
  const seen = await serverFacts(context, { isCluster: true, slots } as never);
  expect([seen.masters, seen.answers.length]).toEqual([3, 3]);
  const asked = await Promise.all(keys.map((key) => cluster.slotOf(key)));
  expect(new Set(asked.map((slot) => slots[slot]![0]))).toEqual(new Set(['one', 'two', 'small']));
});

test('a master of a Cluster that is away is counted, and the others are looked at all the same', async () => {
  await onCluster();
  await cluster.nodes[1]!.server.stop();
  const found = await issuer.diagnose();
  expect(rowsOf(found, 'redis.answer')).toMatchObject([
    { verdict: 'fault', found: expect.stringMatching(/^1 of 3 masters gave no answer: /) },
  ]);
  expect(rowsOf(found, 'redis.eviction').map(({ verdict }) => verdict)).toEqual(['ok', 'ok']);
});

test('of a Sentinel group the master of this moment is asked, also after a failover', async () => {
  const connect = () => {
    const redis = client(new Redis({ sentinels: sentinels.addresses, name: sentinels.name }));
    issuer = new CouponIssuer({ redis });
  };
  connect();
  const before = await sentinels.master();
  for (const node of sentinels.nodes) await set(node, 'appendonly', node === before ? 'yes' : 'no');
  expect(await findings()).toEqual([]);
  await sentinels.failover();
  const after = await sentinels.promoted(before);
  await set(after, 'maxmemory-policy', 'allkeys-lru');
  await issuer.close();
  connect();
  expect(await findings()).toEqual([
    'redis.append_only warning appendonly no',
    'redis.eviction fault maxmemory-policy allkeys-lru',
  ]);
});
