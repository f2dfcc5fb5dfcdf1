import type { Redis } from 'ioredis';
import type { CouponChange, Issuance, MemoryPersistence, RedisClient } from '../../../src/index.js';
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

export interface RevokedHow {
  readonly again?: boolean;
  readonly returned?: boolean;
}

/** Revokes a coupon in the database alone. */
export async function revokeRow(
  memory: MemoryPersistence,
  row: Issuance,
  { again = false, returned = false }: RevokedHow = {},
): Promise<Issuance> {
  const { campaignId, id, userId, life } = row;
  const change: CouponChange = {
    ref: { campaignId, id, userId },
    version: life?.version ?? 0,
    unexpired: false,
    to: { state: 'revoked', by: 'fraud' },
    unitReturned: returned || undefined,
    freesGrant: again || undefined,
  };
  const [verdict] = await memory.change([change]);
  if (!verdict!.changed) throw new Error('the row was not revoked');
  return verdict!.row!;
}

/** A lease after they were announced. */
export async function makeRevokesDue(redis: Redis, campaignId: string): Promise<void> {
  const key = `{coupon:${campaignId}}:campaign`;
  for (const [field, text] of Object.entries(await redis.hgetall(key))) {
    if (field.startsWith('revoking:')) await redis.hset(key, field, text.replace(/^([^:]*):\d+/, '$1:1'));
  }
}
