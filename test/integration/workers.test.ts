import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, MemoryPersistence, type SettleWorker, type WorkerSeen } from '../../src/index.js';
import { VERSION } from '../../src/model/version.js';
import { scripts } from '../../src/redis/scripts.js';
import { until } from '../support/checks/until.js';
import { fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';

const KEY = 'coupon:workers';
/** No second interval begins during a test. */
const ONCE = 3_600_000;
let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => redis.flushall());

const open = (issuer: CouponIssuer, id = 'night') => issuer.campaign(id).open({ stock: { kind: 'counted', total: 5 } });
const factsAt = (seenAt: number, intervalMs = 1_000) => `${seenAt}:${intervalMs}:settle:0.0.1:::`;
test('a worker is seen with its facts, and is gone once it is stopped', async () => {
  const issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence() });
  await open(issuer);
  const worker = issuer.startWorker({ intervalMs: 100 });
  await until(async () => ((await issuer.workers())[0]?.succeededAt ?? null) !== null);
  const [found] = await issuer.workers();
  expect(found).toEqual({
    id: expect.stringMatching(/^[\w-]{12}$/),
    role: 'settle',
    campaigns: null,
    version: VERSION,
    intervalMs: 100,
    seenAt: expect.any(Date),
    succeededAt: expect.any(Date),
    lastFault: null,
  });
  expect(found!.succeededAt!.getTime()).toBeLessThanOrEqual(found!.seenAt.getTime());
  await worker.stop();
  expect(await issuer.workers()).toEqual([]);
  expect(await redis.exists(KEY)).toBe(0);
});

test('a worker of a waiting room says that it admits', async () => {
  const issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence() });
  await issuer.campaign('line').open({ stock: { kind: 'counted', total: 5 }, admission: 'queued' });
  issuer.startWorker({ intervalMs: 20 });
  await until(async () => (await issuer.workers())[0]?.role === 'settle_and_admit');
  await issuer.close();
  expect(await redis.exists(KEY)).toBe(0);
});

test('a worker says which campaigns it was told to look after, unless they are more than 100', async () => {
  const issuer = new CouponIssuer({ redis });
  const names = Array.from({ length: 101 }, (_, i) => `night-${i}`);
  for (const campaigns of [['night', 'day'], [], names.slice(1), names]) {
    const worker = issuer.startWorker({ campaigns, intervalMs: ONCE });
    await until(async () => (await issuer.workers()).length === 1);
    const [seen] = await issuer.workers();
    await worker.stop();
    expect(seen!.campaigns).toEqual(campaigns === names ? null : campaigns);
  }
});

test('a campaign that nobody opened is told once by the worker that was told to look after it', async () => {
  const faults: string[] = [];
  const issuer = new CouponIssuer({
    redis,
    persistence: new MemoryPersistence(),
    onEvent: (event) => event.type === 'fault' && faults.push(`${event.campaignId}: ${event.error.message}`),
  });
  await open(issuer);
  const worker = issuer.startWorker({ campaigns: ['night', 'unopened'], intervalMs: 2 });
  // Of so short an interval, a busy worker is not seen for a moment.
  const lastFault = async () => (await issuer.workers())[0]?.lastFault;
  await until(async () => (await lastFault())?.errorType === 'UNKNOWN_CAMPAIGN');
  const seenAt = Date.now();
  await until(async () => ((await lastFault())?.at.getTime() ?? 0) > seenAt + 200);
  await worker.stop();
  expect(faults).toEqual([
    expect.stringContaining('unopened: no campaign unopened was opened under the prefix coupon'),
  ]);
});

test('a fault of a worker is told as a word, and no message of it is in Redis', async () => {
  const persistence = new ScriptedPersistence();
  const issuer = new CouponIssuer({ redis, persistence });
  await issuer.campaign('night').open({ stock: { kind: 'counted', total: 5 }, saveMode: 'write-behind' });
  persistence.next(
    ...Array.from({ length: 500 }, () => fails(Object.assign(new Error('CODE-7 of ann'), { code: '57P01' }))),
  );
  await issuer.campaign('night').issue({ userId: 'ann' });
  issuer.startWorker({ intervalMs: 20 });
  await until(async () => ((await issuer.workers())[0]?.lastFault ?? null) !== null);
  const [{ lastFault }] = (await issuer.workers()) as [WorkerSeen];
  expect(lastFault!.errorType).toMatch(/^[A-Z0-9_]+$/);
  expect(JSON.stringify(await redis.hgetall(KEY))).not.toMatch(/CODE-7|ann/);
  await issuer.close();
});

test('a worker that was silent for ten of its intervals is not listed, and the note of another one drops it', async () => {
  const issuer = new CouponIssuer({ redis });
  const now = Date.now();
  const fields = { late: factsAt(now - 9_000), gone: factsAt(now - 60_000), slow: factsAt(now - 60_000, 60_000) };
  await redis.hset(KEY, fields);
  expect((await issuer.workers()).map(({ id }) => id).sort()).toEqual(['late', 'slow']);
  const worker = issuer.startWorker({ intervalMs: ONCE });
  await until(async () => (await redis.hexists(KEY, 'gone')) === 0);
  expect((await redis.hkeys(KEY)).sort()).toEqual(expect.arrayContaining(['late', 'slow']));
  await worker.stop();
});

test('a field that is no worker is dropped by the next note', async () => {
  const issuer = new CouponIssuer({ redis });
  await redis.hset(KEY, 'strange', 'what is this');
  const worker = issuer.startWorker({ intervalMs: ONCE });
  await until(async () => (await redis.hexists(KEY, 'strange')) === 0);
  await worker.stop();
});

test('among 1,000 workers each is listed once, and a note looks at a few of them and finds the silent ones in turn', async () => {
  const issuer = new CouponIssuer({ redis });
  const now = Date.now();
  // Too long for the compact form of a hash, which is always read as a whole.
  const facts = (i: number) => `${factsAt(i % 2 ? now : 1)}${'X'.repeat(70)}`;
  await redis.hset(KEY, Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`worker-${i}`, facts(i)])));
  const found = await issuer.workers();
  expect(found).toHaveLength(1_000);
  expect(new Set(found.map(({ id }) => id)).size).toBe(1_000);

  const args = {
    worker: 'one',
    cursor: '0',
    intervalMs: '1000',
    role: 'settle',
    version: '1',
    fault: '',
    campaigns: '*',
  };
  const note = async (cursor: string) => {
    const { source, args: names } = scripts.noteWorker;
    const given = { ...args, cursor, succeededMsAgo: '', faultMsAgo: '' };
    return ((await redis.eval(source, 1, KEY, ...names.map((name) => given[name]))) as string[])[1]!;
  };
  let cursor = await note('0');
  expect(await redis.hlen(KEY)).toBeGreaterThan(1_900);
  for (let notes = 1; cursor !== '0'; notes++) {
    expect(notes).toBeLessThan(200);
    cursor = await note(cursor);
  }
  expect(await redis.hlen(KEY)).toBe(1_001);
});

test('a note that fails has no effect on settling, and is no event', async () => {
  const events: string[] = [];
  const persistence = new MemoryPersistence();
  const issuer = new CouponIssuer({ redis, persistence, onEvent: ({ type }) => events.push(type) });
  await redis.set(KEY, 'no hash');
  await issuer.campaign('night').open({ stock: { kind: 'counted', total: 5 }, saveMode: 'write-behind' });
  await issuer.campaign('night').issue({ userId: 'ann' });
  const worker = issuer.startWorker({ intervalMs: 20 });
  await until(async () => (await issuer.campaign('night').inspect()).issued === 1);
  await worker.stop();
  expect(events).not.toContain('fault');
  expect(await redis.get(KEY)).toBe('no hash');
  await expect(issuer.workers()).rejects.toMatchObject({
    code: 'REDIS',
    message: expect.stringContaining('workers: '),
  });
});

test('nothing waits for a note, and only one is under way', async () => {
  let notes = 0;
  let answer = () => {};
  const { sha1 } = scripts.noteWorker;
  const held = new Proxy(redis, {
    get: (target, name) => {
      if (name !== 'evalsha') return Reflect.get(target, name, target);
      return async (sha: string, ...rest: [number, ...string[]]) => {
        if (sha !== sha1) return target.evalsha(sha, ...rest);
        notes++;
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
        return ['noted', '0'];
      };
    },
  });
  const issuer = new CouponIssuer({ redis: held, persistence: new MemoryPersistence() });
  await issuer.campaign('night').open({ stock: { kind: 'counted', total: 5 }, saveMode: 'write-behind' });
  const worker: SettleWorker = issuer.startWorker({ intervalMs: 10 });
  for (const userId of ['ann', 'bob', 'cem']) {
    const before = (await issuer.campaign('night').inspect()).issued;
    await issuer.campaign('night').issue({ userId });
    await until(async () => (await issuer.campaign('night').inspect()).issued === before + 1);
  }
  expect(notes).toBe(1);
  answer();
  await worker.stop();
});
