import { expect, test } from 'vitest';
import { type RedisContext, Shard } from '../../src/redis/shard.js';

test('a stamp of another epoch says nothing of this one', () => {
  const shard = new Shard({ prefix: 'coupon' } as RedisContext, 'launch');
  shard.sawStamp('1-of-a-campaign-that-is-gone', 7);
  expect(shard.fence).toBe('0');
  shard.sawStamp(shard.epoch, 3);
  shard.sawStamp(shard.epoch, 2);
  expect(shard.fence).toBe('3');
});
