import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type CouponEvent, CouponIssuer, type SettleWorker, type WorkerOptions } from '../../src/index.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { type NamedDefinition, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuer: CouponIssuer;
let worker: SettleWorker | null;
let campaigns = 0;
let campaignId: string;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  persistence = new ScriptedPersistence();
  worker = null;
  campaignId = `worked-${++campaigns}`;
  issuer = new CouponIssuer({ redis, persistence });
});
afterEach(async () => {
  await worker?.stop();
  await issuer.idle();
  await checkInvariants({ redis, campaignId, rows: await rows() });
  await issuer.close();
});

const open = (total: number, more: Partial<NamedDefinition> = {}) =>
  issuer.campaign(campaignId).open({ stock: { kind: 'counted', total }, admission: 'queued', ...more });
const join = (userId: string) => issuer.campaign(campaignId).join({ userId });
const users = (count: number) => Array.from({ length: count }, (_, i) => `user-${i + 1}`);
const joinAll = (names: readonly string[]) => Promise.all(names.map((name) => join(name)));
const rows = () => persistence.rows(campaignId);
const key = (name: string) => `{coupon:${campaignId}}:${name}`;
const work = (options: WorkerOptions = {}) => {
  worker = issuer.startWorker({ campaigns: [campaignId], ...options });
  return worker;
};
/** µs of the clock of Redis. */
const now = async () => {
  const [seconds, micros] = await redis.time();
  return Number(seconds) * 1e6 + Number(micros);
};

test('a worker lets everybody through in the order of the line, and tells the rest that nothing is left', async () => {
  await open(60, { overbook: 40 });
  await joinAll(users(100));
  work({ intervalMs: 5 });
  await until(async () => (await issuer.campaign(campaignId).inspect()).waiting === 0);
  await issuer.idle();
  expect((await rows()).map(({ userId, serial }) => [serial, userId])).toEqual(
    users(60).map((name, i) => [i + 1, name]),
  );
  expect(await join('late')).toEqual({ status: 'sold_out' });
});

test('who joins an empty line is let through at once, by a worker of this process and by one of another', async () => {
  await open(10);
  const [mine, another] = [issuer, new CouponIssuer({ redis: server.client(), persistence })];
  for (const [i, working] of [mine, another].entries()) {
    const slow = working.startWorker({ campaigns: [campaignId], intervalMs: 600_000 });
    await until(async () => Number((await redis.pubsub('NUMSUB', key('campaign')))[1]) === 1);
    await join(`user-${i}`);
    await until(async () => (await rows()).length === i + 1);
    await slow.stop();
    await until(async () => Number((await redis.pubsub('NUMSUB', key('campaign')))[1]) === 0);
  }
  await another.close();
});

test('admitPerSecond holds over all workers', async () => {
  await open(10_000);
  await joinAll(users(200));
  const perSecond = 400;
  const others = Array.from({ length: 2 }, () => new CouponIssuer({ redis, persistence }));
  await issuer.campaign(campaignId).setPace({ admitPerSecond: perSecond });
  const workers = [issuer, ...others].map((one) => one.startWorker({ campaigns: [campaignId], intervalMs: 10 }));
  const startedAt = await now();
  await until(async () => (await rows()).length >= 100);
  const letThrough = 200 - (await issuer.campaign(campaignId).inspect()).waiting;
  const stoppedAfter = ((await now()) - startedAt) / 1e6;
  await Promise.all(workers.map((one) => one.stop()));
  expect(letThrough).toBeLessThanOrEqual(Math.ceil((stoppedAfter + 0.1) * perSecond) + 1);
  await Promise.all(others.map((one) => one.close()));
});

test('admitPerSecond 0 lets nobody through, and the worker settles all the same', async () => {
  await open(10);
  await joinAll(users(3));
  persistence.next(fails(new Error('gone')), fails(new Error('gone')));
  await issuer.campaign(campaignId).admit({ count: 1 });
  await redis.zadd(key('leases'), 0, '1:user-1');
  await issuer.campaign(campaignId).setPace({ admitPerSecond: 0 });
  work({ intervalMs: 5 });
  await until(async () => (await rows()).length === 1);
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ waiting: 2 });
});

test('waves let so many through when they are due, and what a wave has left when nobody waits is gone', async () => {
  await open(100);
  await joinAll(users(30));
  const start = Math.floor((await now()) / 1000);
  const at = (ms: number) => new Date(start + ms);
  // As if somebody had looked more than two hours ago: of what was due before the campaign nothing is made up.
  await redis.hset(key('campaign'), 'waveAt', String(start - 7_200_000 - 90_000));
  await issuer.campaign(campaignId).setPace({
    waves: [
      { at: at(-60_000), count: 10 },
      { from: at(-7_200_000 - 60_000), every: 'hour', count: 5 },
      { at: at(3_600_000), count: 50 },
    ],
  });
  work({ intervalMs: 5 });
  // Ten of the one that is due, and five for each of the three full hours that have begun.
  await until(async () => (await rows()).length === 25);
  // It looks again and again, and lets nobody else through.
  const lookedAt = async () => redis.hget(key('campaign'), 'waveAt');
  for (let looks = 0; looks < 3; looks++) {
    const before = await lookedAt();
    await until(async () => (await lookedAt()) !== before);
  }
  await worker!.stop();
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ waiting: 5 });
  await issuer.campaign(campaignId).setPace({ waves: [{ at: at(-1), count: 50 }] });
  work({ intervalMs: 5 });
  // It came after the last look, so it is due once.
  await redis.hset(key('campaign'), 'waveAt', String(start - 2));
  await until(async () => (await rows()).length === 30);
  await worker!.stop();
  expect(await redis.hget(key('campaign'), 'waveLeft')).toBe('0');
  await join('late');
  expect(await issuer.campaign(campaignId).userStatus({ userId: 'late' })).toMatchObject({
    status: 'waiting',
    position: 1,
  });
});

test('the pace of the last half minute gives the time that is left', async () => {
  await open(10_000);
  await joinAll(users(400));
  await issuer.campaign(campaignId).admit({ count: 10 });
  await issuer.campaign(campaignId).admit({ count: 100 });
  // As if these had taken ten seconds.
  const paceAt = Number(await redis.hget(key('campaign'), 'paceAt'));
  await redis.hset(key('campaign'), 'paceSince', String(paceAt - 10_000_000));
  const last = await join('user-400');
  expect(last).toMatchObject({ status: 'waiting', position: 290 });
  const { etaMs } = last as { etaMs: number };
  // Ten a second, with what is older counting a little less.
  expect(etaMs).toBeGreaterThan(20_000);
  expect(etaMs).toBeLessThan(30_000);
  await issuer.campaign(campaignId).pause();
  expect(await join('user-400')).toMatchObject({ etaMs: null });
});

test('while the database fails hardly anybody is let through, and nobody loses what they were let through for', async () => {
  await open(1_000);
  await joinAll(users(200));
  const failing = { on: true, saves: 0 };
  const broken = new CouponIssuer({
    redis,
    persistence: {
      save: async (issuances) => {
        failing.saves++;
        if (failing.on) throw new Error('the database is away');
        return persistence.save(issuances);
      },
      list: (id, options) => persistence.list(id, options),
    },
    maxBatch: 50,
  });
  const watched = broken.startWorker({ campaigns: [campaignId], intervalMs: 5 });
  // Each batch is saved once more before it is left: these are at least three.
  await until(() => failing.saves >= 6);
  const { waiting } = await issuer.campaign(campaignId).inspect();
  expect(waiting).toBeGreaterThan(100);
  expect((await watched.health()).campaigns[0]!.lastError!.error.message).toBe('the database is away');
  failing.on = false;
  await redis.eval(
    "for _, field in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], 0, field) end",
    1,
    key('leases'),
  );
  await until(async () => (await rows()).length === 200);
  await watched.stop();
  await broken.close();
  expect((await rows()).map(({ userId }) => userId)).toEqual(users(200));
});

test('a worker whose campaign was rolled back goes on at its next interval after the rebuild, however long it was refused', async () => {
  const definition = { id: campaignId, stock: { kind: 'counted', total: 20 }, admission: 'queued' } as const;
  const faults: unknown[] = [];
  const onEvent = (event: CouponEvent) => {
    if (event.type === 'fault') faults.push((event.error as { code?: unknown }).code);
  };
  const seen = new CouponIssuer({ redis, persistence, onEvent });
  await openNamed(issuer, definition);
  await joinAll(users(5));
  const names = await redis.keys(`{coupon:${campaignId}}:*`);
  const copy = await Promise.all(names.map(async (name) => [name, await redis.dumpBuffer(name)] as const));
  await seen.campaign(campaignId).admit({ count: 5 });
  await seen.idle();
  await redis.del(...names);
  for (const [name, value] of copy) await redis.restore(name, 0, value);

  // If it waited twice as long each time, as for a database that fails, this would take minutes.
  worker = seen.startWorker({ campaigns: [campaignId], intervalMs: 5 });
  await until(() => faults.length >= 16);
  expect(new Set(faults)).toEqual(new Set(['NOT_READY']));
  await rebuildNamed(issuer, definition);
  await joinAll(['late-1', 'late-2']);
  await until(async () => (await rows()).length === 7);
  await worker.stop();
  await seen.close();
});
