import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { scripts } from '../../src/redis/scripts.js';
import { until } from '../support/checks/until.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';
import { entryKeyOf, issuerOn, stepClock } from './support.js';

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => redis.flushall());

const GRADE = { name: 'grade', ttlMs: 60_000, beta: 0 } as const;
const KEY = entryKeyOf('grade', 'kim');
const leaseIsHeld = async () => (await redis.hexists(KEY, 'lease')) === 1;
const field = (name: string) => redis.hget(KEY, name);

type Sent = Parameters<Redis['evalsha']>;

/** A client whose looks go by `look`; `send` sends one. */
function looking(look: (send: () => Promise<unknown>) => Promise<unknown>): Redis {
  const client = server.client();
  const evalsha = client.evalsha.bind(client);
  const guarded = (...args: Sent) => {
    const send = () => evalsha(...args);
    return args[0] === shaOf(scripts.findCached) ? look(send) : send();
  };
  return Object.assign(client, { evalsha: guarded });
}

/** Loads that a test ends, in their order. */
function loads() {
  const ends: { resolve: (value: string) => void; reject: (error: Error) => void }[] = [];
  const load = () => new Promise<string>((resolve, reject) => ends.push({ resolve, reject }));
  return { load, ends, begun: (count: number) => until(async () => ends.length === count) };
}

describe('the lease of a load', () => {
  test('is not brought back by a late copy of its look, once an invalidation has ended it', async () => {
    let copy = async (): Promise<unknown> => null;
    const client = looking((send) => {
      copy = send;
      return send();
    });
    const { load, ends, begun } = loads();
    const cache = issuerOn(client).issuer.cache({ ...GRADE, load });
    const before = cache.get('kim');
    await begun(1);
    await cache.invalidate('kim');
    await copy();
    expect(await leaseIsHeld()).toBe(true);
    ends[0]!.resolve('old');
    expect(await before).toBe('old');
    expect(await field('value')).toBeNull();
  });

  test('that does not end is not told to a caller that has just come', async () => {
    const { load, ends, begun } = loads();
    const held = issuerOn(server.client(), { timeoutMs: 20_000 })
      .issuer.cache({ ...GRADE, load })
      .get('kim');
    await begun(1);
    let isOver = false;
    let late: Promise<unknown> | undefined;
    const client = looking(async (send) => {
      if (late) {
        ends[0]!.resolve('new');
        await held;
      }
      const reply = await send();
      if (isOver && !late) {
        // Before the pass has read the last reply within its time.
        late = waiter.get('kim');
        late.catch(() => {});
      }
      return reply;
    });
    const waiter = issuerOn(client, { timeoutMs: 300 }).issuer.cache({ ...GRADE, load });
    // On a busy machine no look may be under way at that moment: then once more.
    for (let turn = 0; turn < 20 && !late; turn++) {
      isOver = false;
      const first = waiter.get('kim').finally(() => {
        isOver = true;
      });
      await expect(first).rejects.toThrow('within 300 ms');
      await until(async () => late !== undefined, 200).catch(() => {});
    }
    expect(late).toBeDefined();
    await expect(late).resolves.toBe('new');
  });

  test('is found by its own look, where the client sends that again', async () => {
    let looks = 0;
    const client = looking(async (send) => {
      looks++;
      await send();
      return send();
    });
    const cache = issuerOn(client, { timeoutMs: 1_000 }).issuer.cache({ ...GRADE, load: () => 'gold' });
    // Redis knows the script from then on.
    await expect(cache.get('lee')).resolves.toBe('gold');
    looks = 0;
    await expect(cache.get('kim')).resolves.toBe('gold');
    expect(looks).toBe(1);
  });

  test('is found so by a refresh as well', async () => {
    const { issuer } = issuerOn(
      looking(async (send) => {
        await send();
        return send();
      }),
    );
    let made = 0;
    const cache = issuer.cache({ ...GRADE, load: () => ++made, jitter: 0, staleMs: 60_000 });
    expect(await cache.get('kim')).toBe(1);
    await stepClock(redis, 60_001);
    expect(await cache.get('kim')).toBe(1);
    await issuer.idle();
    expect(await cache.get('kim')).toBe(2);
  });

  test('is not given up by an earlier load that fails after an invalidation', async () => {
    const { load, ends, begun } = loads();
    const { issuer } = issuerOn(redis);
    const cache = issuer.cache({ ...GRADE, load });
    const before = cache.get('kim');
    await begun(1);
    await cache.invalidate('kim');
    const other = issuerOn(server.client()).issuer.cache({ ...GRADE, load });
    const after = other.get('kim');
    await begun(2);
    ends[0]!.reject(new Error('the database is away'));
    await expect(before).rejects.toThrow('load failed');
    await issuer.idle();
    ends[1]!.resolve('new');
    expect(await after).toBe('new');
    expect(String(await field('value'))).toMatch(/:"new"$/);
    expect(await field('failed')).toBeNull();
  });

  test('takes the place of a value that is over, which its entry would keep for longer', async () => {
    const { load, ends, begun } = loads();
    const cache = issuerOn(redis).issuer.cache({ ...GRADE, load, jitter: 0 });
    const first = cache.get('kim');
    await begun(1);
    ends[0]!.resolve('first');
    await first;
    await stepClock(redis, 60_001);
    expect(String(await field('value'))).toMatch(/:"first"$/);
    const second = cache.get('kim');
    await begun(2);
    expect(await field('value')).toBeNull();
    ends[1]!.resolve('second');
    await second;
  });
});

test('a refresh, and the mark of one that failed, leave a stale value its whole life', async () => {
  const { load, ends, begun } = loads();
  const { issuer } = issuerOn(redis);
  // In a Redis of its own nothing is counted, so nothing else keeps the entry.
  const cache = issuer.cache({ ...GRADE, load, jitter: 0, staleMs: 60_000, redis: server.client() });
  const first = cache.get('kim');
  await begun(1);
  ends[0]!.resolve('first');
  await first;
  await stepClock(redis, 60_001);
  const endsAt = async () => Number((await field('value'))!.split(':')[2]);
  expect(await cache.get('kim')).toBe('first');
  await begun(2);
  expect(await redis.pexpiretime(KEY)).toBe(await endsAt());
  ends[1]!.reject(new Error('the database is away'));
  await issuer.idle();
  expect(String(await field('failed'))).toMatch(/the database is away$/);
  expect(await redis.pexpiretime(KEY)).toBe(await endsAt());
});

test('a value is counted by its bytes, and not by its letters', async () => {
  const cache = issuerOn(redis).issuer.cache({ ...GRADE, load: () => '김'.repeat(1_000) });
  await cache.get('kim');
  expect(Number((await redis.hvals('{coupon:cache:grade}'))[0])).toBeGreaterThan(3_000);
});
