import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { entryKeyOf, issuerOn } from '../cache/support.js';
import { Actor, type Order } from '../support/actors/actor.js';
import { cacheKills } from '../support/scenes/kill-cases.js';
import { RedisServer } from '../support/servers/redis-server.js';

/** The lease of a load is two fifths of it. */
const TIMEOUT_MS = 1_000;
const KEY = entryKeyOf('grade', 'kim');

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => redis.flushall());

type Use = Extract<Order, { cache: unknown }>['cache'];
/** What the process was doing, and whether its step has had its effect. */
const CASES: Record<string, { readonly use: Use; readonly done: () => Promise<boolean> }> = {
  'find-cached': { use: { method: 'get', args: ['kim'] }, done: async () => (await redis.hexists(KEY, 'lease')) === 1 },
  'count-bytes': {
    use: { method: 'get', args: ['kim'] },
    done: async () => (await redis.exists('{coupon:cache:grade}')) === 1,
  },
  'store-cached': {
    use: { method: 'get', args: ['kim'] },
    done: async () => (await redis.hexists(KEY, 'value')) === 1,
  },
  'give-up-load': {
    use: { method: 'get', args: ['kim'], fails: true },
    done: async () => (await redis.hexists(KEY, 'failed')) === 1,
  },
  'drop-cached': {
    use: { method: 'set', args: ['kim', 'set'] },
    done: async () => (await redis.hexists(KEY, 'value')) === 0,
  },
};

const titled = cacheKills.map((place) => [`${place.when} ${place.step}`, place] as const);

test.each(titled)(
  'of a process that is killed %s others go on, and a change that they repeat is seen',
  async (point, place) => {
    const { use, done } = CASES[place.step]!;
    const { issuer } = issuerOn(server.client(), { timeoutMs: 10 * TIMEOUT_MS });
    let row = 'old';
    const cache = issuer.cache({ name: 'grade', ttlMs: 60_000, load: () => row });
    if (place.step === 'drop-cached') await cache.get('kim');
    const options = { timeoutMs: TIMEOUT_MS };
    const actor = await Actor.start({
      redisPort: server.port,
      postgresUrl: '',
      options,
      holdAt: { point: point as never },
    });
    actor.order({ cache: use });
    await actor.reaches(point);
    expect(await actor.kill()).toBe('SIGKILL');
    expect(await done()).toBe(place.when === 'after');

    // After the lease of the dead at most, or the mark that it left.
    const value = await cache.get('kim').catch((error: unknown) => error);
    if (point === 'after give-up-load') expect(value).toMatchObject({ code: 'HOOK' });
    else expect(['old', 'loaded by the actor']).toContain(value);
    row = 'new';
    await cache.invalidate('kim');
    expect(await cache.get('kim')).toBe('new');
    expect(await redis.pttl(KEY)).toBeGreaterThan(0);
    await issuer.close();
  },
);
