import { Cluster, type Redis } from 'ioredis';
import { afterAll, beforeAll } from 'vitest';
import { mockRedis } from '../../mock/support.js';
import { RedisCluster } from './redis-cluster.js';
import { RedisServer } from './redis-server.js';

export const KINDS = ['Redis', 'ioredis-mock', 'a Cluster'] as const;

/** A client of each kind, for the tests of the file that calls this. */
export function threeClients(): ReadonlyMap<string, Redis> {
  const clients = new Map<string, Redis>();
  let [server, cluster]: [RedisServer | null, RedisCluster | null] = [null, null];
  beforeAll(async () => {
    [server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
    clients.set('Redis', server.client());
    clients.set('a Cluster', new Cluster(cluster.addresses) as unknown as Redis);
    clients.set('ioredis-mock', mockRedis());
  }, 30_000);
  afterAll(async () => {
    for (const client of clients.values()) client.disconnect();
    await Promise.all([server?.stop(), cluster?.stop()]);
  });
  return clients;
}
