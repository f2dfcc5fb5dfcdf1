import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type CouponEvent, CouponIssuer, type Issuance, NotSavedError, type SettleWorker } from '../../src/index.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { openNamed, quarantinedOf } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let events: CouponEvent[];
let issuer: CouponIssuer;
let worker: SettleWorker | null;
let campaigns = 0;
let campaignId: string;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  persistence = new ScriptedPersistence();
  events = [];
  worker = null;
  campaignId = `behind-${++campaigns}`;
  issuer = new CouponIssuer({ redis, persistence, maxTries: 3, onEvent: (event) => events.push(event) });
});
afterEach(() => issuer.close());

const open = (total: number, id = campaignId) =>
  issuer.campaign(id).open({ stock: { kind: 'counted', total }, saveMode: 'write-behind' });
const issueTo = (userId: string, requestId?: string) =>
  issuer.campaign(campaignId).issue({ userId, ...(requestId ? { requestId } : {}) });
const users = (count: number) => Array.from({ length: count }, (_, i) => `user-${i + 1}`);
const rows = () => persistence.rows(campaignId);
const work = (options = {}) => {
  worker = issuer.startWorker({ intervalMs: 5, campaigns: [campaignId], ...options });
  return worker;
};
const audit = async () => checkInvariants({ redis, campaignId, rows: await rows(), settled: true });

test('write-behind answers accepted without asking the database, and the worker saves it', async () => {
  await open(10);
  const result = await issueTo('ann', 'request-1');
  expect(result.status).toBe('accepted');
  expect(persistence.saves).toEqual([]);
  expect(await issuer.campaign(campaignId).userStatus({ userId: 'ann' })).toMatchObject({ status: 'reserved' });
  work();
  await until(async () => (await rows()).length === 1);
  await worker!.stop();
  expect(await issueTo('ann', 'request-1')).toMatchObject({ status: 'issued', issuance: { serial: 1 } });
  await audit();
});

test('what waits is saved in the order in which it was accepted', async () => {
  await open(300);
  const order: string[] = [];
  for (const userId of users(60).reverse()) {
    await issueTo(userId);
    order.push(userId);
  }
  const saved: string[] = [];
  persistence.save = async (issuances: readonly Issuance[]) => {
    saved.push(...issuances.map(({ userId }) => userId));
    return persistence.memory.save(issuances);
  };
  work({ batchSize: 7 });
  await until(async () => saved.length === 60);
  await worker!.stop();
  expect(saved).toEqual(order);
  await audit();
});

test('a repeat while it waits keeps its place and its unit, and the save under way counts', async () => {
  await open(10);
  const first = await issueTo('ann', 'request-1');
  const end = persistence.hold();
  const reached = persistence.reached();
  work();
  await reached;
  expect(await issueTo('ann', 'request-1')).toEqual({ ...first, replayed: true });
  end();
  await until(async () => (await rows()).length === 1);
  await worker!.stop();
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ reserved: 0, issued: 1 });
  await audit();
});

test('write-behind without persistence is refused before anything is written', async () => {
  const bare = new CouponIssuer({ redis });
  const definition = { id: campaignId, stock: { kind: 'unlimited' }, saveMode: 'write-behind' } as const;
  await expect(openNamed(bare, definition)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(await redis.exists(`{coupon:${campaignId}}:campaign`)).toBe(0);
});

test('a database that is down quarantines nobody, and the line moves on when it is back', async () => {
  await open(200);
  await Promise.all(users(120).map((userId) => issueTo(userId)));
  let down = true;
  persistence.save = async (issuances: readonly Issuance[]) => {
    if (down) throw new Error('connection refused');
    return persistence.memory.save(issuances);
  };
  work({ batchSize: 50 });
  await until(async () => events.filter(({ type }) => type === 'fault').length >= 8);
  const health = await worker!.health();
  expect(health.campaigns[0]).toMatchObject({
    campaignId,
    quarantined: 0,
    lastError: { error: { message: 'connection refused' } },
  });
  expect(health.campaigns[0]!.backlog).toBeGreaterThan(0);
  expect(health.campaigns[0]!.oldestMs).toBeGreaterThanOrEqual(0);
  down = false;
  await until(async () => (await rows()).length === 120);
  await worker!.stop();
  expect(events.some(({ type }) => type === 'quarantined')).toBe(false);
  await audit();
});

test('a database that falls silent between two batches quarantines nobody, even if one try is all there is', async () => {
  issuer = new CouponIssuer({ redis, persistence, maxTries: 1, maxBatch: 2, onEvent: (event) => events.push(event) });
  await open(10);
  await Promise.all(users(4).map((userId) => issueTo(userId)));
  persistence.next(
    (issuances, memory) => memory.save(issuances),
    ...Array.from({ length: 2 }, () => fails(new Error('lost'))),
  );
  expect(await issuer.campaign(campaignId).settle()).toMatchObject({ settled: 2, pending: 2 });
  expect(events.some(({ type }) => type === 'quarantined')).toBe(false);
  expect(await quarantinedOf(issuer.campaign(campaignId))).toEqual([]);
});

test('a reservation the database refuses for good is put into quarantine at once, keeps its unit, and can be retried', async () => {
  await open(10);
  await Promise.all(users(3).map((userId) => issueTo(userId)));
  let poisoned = true;
  persistence.save = async (issuances: readonly Issuance[]) => {
    if (poisoned && issuances.some(({ userId }) => userId === 'user-2')) {
      throw new NotSavedError('value out of range', { permanent: true });
    }
    return persistence.memory.save(issuances);
  };
  work();
  await until(async () => events.some(({ type }) => type === 'quarantined'));
  await until(async () => (await rows()).length === 2);
  const [held, ...others] = await quarantinedOf(issuer.campaign(campaignId));
  expect(others).toEqual([]);
  expect(held).toMatchObject({ issuance: { userId: 'user-2', code: null }, tries: 1 });
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ reserved: 1, issued: 2 });
  expect((await worker!.health()).campaigns[0]).toMatchObject({ backlog: 0, quarantined: 1 });
  poisoned = false;
  expect(await issuer.campaign(campaignId).quarantine.retry({ ids: [held!.issuance.id] })).toEqual({ retried: 1 });
  await until(async () => (await rows()).length === 3);
  await worker!.stop();
  await audit();
});

test('a reservation that is refused maxTries times goes into quarantine, and an operator withdraws its unit', async () => {
  await open(2);
  await issueTo('ann');
  persistence.next(...Array.from({ length: 3 }, () => fails(new NotSavedError('no such customer'))));
  const settleTries = async () => {
    await redis.zadd(`{coupon:${campaignId}}:leases`, 'XX', 0, '1:ann');
    return issuer.campaign(campaignId).settle();
  };
  expect(await settleTries()).toMatchObject({ settled: 0, failed: 1 });
  expect(await settleTries()).toMatchObject({ failed: 1 });
  expect(events.some(({ type }) => type === 'quarantined')).toBe(false);
  expect(await settleTries()).toMatchObject({ failed: 1 });
  expect(events.filter(({ type }) => type === 'quarantined')).toMatchObject([{ userId: 'ann', tries: 3 }]);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 0, pending: 1, failed: 0 });
  expect(await issuer.campaign(campaignId).quarantine.withdraw({ all: true })).toEqual({ withdrawn: 1 });
  expect(await issuer.campaign(campaignId).quarantine.withdraw({ all: true })).toEqual({ withdrawn: 0 });
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ reserved: 0, withdrawn: 1, available: 1 });
  await issueTo('ann');
  await issuer.campaign(campaignId).settle();
  await audit();
});

test('two workers with one cap together save no more than it allows', async () => {
  await open(1_000);
  await Promise.all(users(40).map((userId) => issueTo(userId)));
  const other = new CouponIssuer({ redis, persistence });
  const started = Number((await redis.time())[0]) * 1e6 + Number((await redis.time())[1]);
  await issuer.campaign(campaignId).setPace({ savesPerSecond: 40 });
  const cap = { intervalMs: 1, campaigns: [campaignId] };
  const workers = [issuer.startWorker(cap), other.startWorker(cap)];
  await until(async () => (await rows()).length === 40);
  const [seconds, micros] = await redis.time();
  const elapsed = (Number(seconds) * 1e6 + Number(micros) - started) / 1e6;
  expect(40).toBeLessThanOrEqual(40 * (elapsed + 0.1) + 1);
  await Promise.all(workers.map((one) => one.stop()));
  await other.close();
  await audit();
});

test('a worker looks after every open campaign of the registry', async () => {
  await open(5);
  const second = `${campaignId}-second`;
  await open(5, second);
  await issueTo('ann');
  await issuer.campaign(second).issue({ userId: 'bob' });
  worker = issuer.startWorker({ intervalMs: 5 });
  await until(async () => (await rows()).length === 1 && (await persistence.rows(second)).length === 1);
  await worker.stop();
  expect(await worker.health()).toMatchObject({ running: false });
});

test('stop finishes what the worker holds and claims nothing more', async () => {
  await open(10);
  await Promise.all(users(2).map((userId) => issueTo(userId)));
  const end = persistence.hold();
  const reached = persistence.reached();
  work({ batchSize: 1 });
  await reached;
  let stopped = false;
  const stopping = worker!.stop().then(() => {
    stopped = true;
  });
  await issuer.campaign(campaignId).inspect();
  expect(stopped).toBe(false);
  end();
  await stopping;
  expect(await rows()).toHaveLength(1);
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ reserved: 1, issued: 1 });
});

test('a signal stops a worker, and closing the issuer does', async () => {
  await open(10);
  const abort = new AbortController();
  const first = work({ signal: abort.signal });
  const second = issuer.startWorker({ intervalMs: 5 });
  abort.abort();
  await first.stop();
  await issuer.close();
  const other = new CouponIssuer({ redis, persistence });
  await other.campaign(campaignId).issue({ userId: 'ann' });
  expect(await second.health()).toMatchObject({ running: false });
  expect(() => issuer.startWorker()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  expect(await rows()).toEqual([]);
});

test.each([
  { intervalMs: 0 },
  { batchSize: 1.5 },
  { maxSavesPerSecond: 5 },
  { admitPerSecond: 5 },
  { waves: [] },
  { campaigns: ['no spaces'] },
  { campaigns: 'launch' },
  { signal: {} },
  { interval: 5 },
  null,
])('startWorker(%j) is refused', (options) => {
  expect(() => issuer.startWorker(options as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
});
