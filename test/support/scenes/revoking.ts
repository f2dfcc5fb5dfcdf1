import type { Redis } from 'ioredis';
import type { RedisClient } from '../../../src/index.js';
import { redisContext, Shard } from '../../../src/redis/shard.js';

/** A campaign as the modules of Redis know it, in a process of its own. */
export async function shardOf(redis: Redis, campaignId: string): Promise<Shard> {
  const context = redisContext(redis as RedisClient, {
    prefix: 'coupon',
    timeoutMs: 10_000,
    assertLost: async () => {},
    verbs: { maxBatch: 500, maxInFlight: 2, emit: () => {} },
  });
  const shard = new Shard(context, campaignId);
  await shard.refresh();
  return shard;
}
