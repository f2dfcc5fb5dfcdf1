import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import type { Redis } from 'ioredis';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { CouponIssuer, NotSavedError, type RedisClient } from '../../src/index.js';
import { observeIssuer as observeWithOpenTelemetry } from '../../src/opentelemetry/index.js';
import { observeIssuer as observeWithPrometheus } from '../../src/prometheus/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { expireLeases } from '../support/checks/invariants.js';
import { seeded } from '../support/checks/random.js';
import { fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { CountingClient } from '../support/servers/counting-client.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuer: CouponIssuer;
let prefixes = 0;
let ends: (() => unknown)[];

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  ends = [];
  persistence = new ScriptedPersistence();
  issuer = new CouponIssuer({ redis, persistence, prefix: `telemetry-${++prefixes}` });
});
afterEach(async () => {
  for (const end of ends) await end();
  await issuer.close();
});

/** One number of a scrape; `undefined`: there is none. */
type Read = (name: string, labels?: Record<string, string>) => number | undefined;

function prometheus(options = {}): () => Promise<{ read: Read; series: (name: string) => number; text: string }> {
  const register = new Registry();
  ends.push(observeWithPrometheus(issuer, { register, ...options }).stop);
  return async () => {
    const text = await register.metrics();
    const lines = text.split('\n').filter((line) => line && !line.startsWith('#'));
    const read: Read = (name, labels = {}) => {
      const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
      const found = lines.filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
      const line = found.find((one) => wanted.every((label) => one.includes(label)));
      return line === undefined ? undefined : Number(line.split(' ').at(-1));
    };
    return { read, text, series: (name) => lines.filter((line) => line.startsWith(name)).length };
  };
}

function openTelemetry(options = {}): () => Promise<Read> {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  // Longer than any test: it is collected by hand.
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2_000_000_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  ends.push(observeWithOpenTelemetry(issuer, { meterProvider, ...options }).stop, () => meterProvider.shutdown());
  return async () => {
    exporter.reset();
    await meterProvider.forceFlush();
    const all = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics));
    return (name, labels = {}) => {
      const points = all.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? [];
      const point = points.find(({ attributes }) =>
        Object.entries(labels).every(([key, of]) => attributes[key] === of),
      );
      const value = point?.value;
      return typeof value === 'object' ? value.count : value;
    };
  };
}

describe('the numbers of a night with repeats and faults', () => {
  test('equal the books, in both spellings', async () => {
    const seed = 20261129;
    console.log(`seed ${seed}`);
    const random = seeded(seed);
    const [scrape, collect] = [prometheus(), openTelemetry()];
    const launch = issuer.campaign('launch');
    await launch.open({ stock: { kind: 'counted', total: 300 } });
    let calls = 0;
    const statuses = new Map<string, number>();
    const ask = async (n: number) => {
      calls++;
      const outcome = await launch.issue({ userId: `user-${n}`, requestId: `request-${n}` }).then(
        ({ status }) => status,
        ({ code }) => code as string,
      );
      statuses.set(outcome, (statuses.get(outcome) ?? 0) + 1);
    };
    for (let round = 0; round < 40; round++) {
      // A database that refuses a batch, and one that stores it without an answer.
      const dice = random();
      if (dice < 0.2) persistence.next(fails(new NotSavedError('no room', { wholeBatch: true })));
      else if (dice < 0.4) {
        persistence.next(async (issuances, memory) => {
          await memory.save(issuances);
          throw new Error('the connection was lost');
        });
      }
      await Promise.all(Array.from({ length: 25 }, () => ask(Math.floor(random() * 500))));
    }
    await issuer.idle();
    await expireLeases(redis, 'launch', `telemetry-${prefixes}`);
    await launch.settle();
    const books = await launch.inspect();
    expect(books.issued).toBe((await persistence.rows('launch')).length);
    const { read } = await scrape();
    const collected = await collect();
    const campaign = 'launch';
    for (const [state, value] of Object.entries({ available: books.available!, issued: books.issued, reserved: 0 })) {
      expect(read('coupon_issuer_units', { campaign, state })).toBe(value);
      expect(collected('coupon_issuer.units', { campaign, state })).toBe(value);
    }
    expect([read('coupon_issuer_issued_total'), collected('coupon_issuer.issued')]).toEqual([
      books.issued,
      books.issued,
    ]);
    for (const [outcome, count] of statuses) {
      const replayed = ['false', 'true'];
      const told = replayed.map((one) => read('coupon_issuer_requests_total', { outcome, replayed: one }) ?? 0);
      const collectedOf = replayed.map((one) => collected('coupon_issuer.requests', { outcome, replayed: one }) ?? 0);
      expect([told[0]! + told[1]!, collectedOf[0]! + collectedOf[1]!]).toEqual([count, count]);
    }
    expect([...statuses.values()].reduce((sum, count) => sum + count)).toBe(calls);
    expect(read('coupon_issuer_faults_total', { during: 'save' })).toBeGreaterThan(0);
    expect(read('coupon_issuer_step_duration_seconds_count', { step: 'save' })).toBeGreaterThan(0);
    expect(collected('coupon_issuer.step.duration', { step: 'reserve' })).toBeGreaterThan(0);
    expect([read('coupon_issuer_ready', { campaign }), collected('coupon_issuer.ready', { campaign })]).toEqual([1, 1]);
  });

  test('count each redemption once by its end, also of calls that never left their queue', async () => {
    await issuer.close();
    issuer = new CouponIssuer({ redis, persistence, prefix: `telemetry-${prefixes}`, timeoutMs: 500, maxQueued: 3 });
    const [scrape, collect] = [prometheus(), openTelemetry()];
    const launch = issuer.campaign('launch');
    await launch.open({ stock: { kind: 'counted', total: 1, generateCodes: true } });
    const issued = await launch.issue({ userId: 'ann' });
    const code = issued.status === 'issued' ? issued.issuance.code! : '';
    const ends = new Map<string, number>();
    const redeem = async (redemptionId: string, { of = code, campaign = launch } = {}) => {
      const asked = campaign.redeem({ userId: 'ann', code: of, redemptionId });
      const end = await asked.then(({ status }) => status as string).catch((error) => error.code as string);
      ends.set(end, (ends.get(end) ?? 0) + 1);
    };
    // One statement that never ends, two calls behind it, and a fourth that finds the queue full.
    const stuck = vi.spyOn(persistence, 'change').mockImplementation(() => new Promise(() => {}));
    await Promise.all(['order-1', 'order-2', 'order-3', 'order-4'].map((order) => redeem(order)));
    stuck.mockRestore();
    for (const order of ['order-5', 'order-5', 'order-6', '']) await redeem(order);
    await redeem('order-7', { of: 'NONE-1' });
    await redeem('order-8', { campaign: issuer.campaign('made-up') });
    await issuer.close();
    await redeem('order-9');
    await expect(launch.issue({ userId: 'ben' })).rejects.toMatchObject({ code: 'CLOSED' });
    const expected = { PERSISTENCE: 3, OVERLOADED: 1, redeemed: 2, already_redeemed: 1, INVALID_ARGUMENT: 1 };
    expect(Object.fromEntries(ends)).toEqual({ ...expected, not_found: 2, CLOSED: 1 });
    const [{ read }, collected] = [await scrape(), await collect()];
    const campaign = 'launch';
    for (const [outcome, count] of Object.entries({ ...expected, not_found: 1, CLOSED: 1 })) {
      const of = { campaign, outcome };
      const told = [read('coupon_issuer_redemptions_total', of), collected('coupon_issuer.redemptions', of)];
      expect([outcome, ...told]).toEqual([outcome, count, count]);
    }
    expect(read('coupon_issuer_redemptions_total', { campaign: '_other', outcome: 'not_found' })).toBe(1);
    expect(read('coupon_issuer_requests_total', { campaign, outcome: 'CLOSED' })).toBe(1);
  });

  test('count the users of an admission whose later step failed, and a step that failed before it had a size', async () => {
    await issuer.close();
    const sent = vi.fn<RedisClient['evalsha']>((...args) => redis.evalsha(...args));
    const client = { evalsha: sent, eval: redis.eval.bind(redis) as RedisClient['eval'] };
    issuer = new CouponIssuer({ redis: client, prefix: `telemetry-${prefixes}` });
    const scrape = prometheus();
    const launch = issuer.campaign('launch');
    await launch.open({ stock: { kind: 'counted', total: 1 }, admission: 'queued' });
    for (const userId of ['ann', 'ben']) await launch.join({ userId });
    const lost = () => Promise.reject(new Error('Connection is closed.'));
    const isAdmission = ([sha1]: unknown[]) => sha1 === shaOf(scripts.admitLine);
    sent.mockImplementation((...args) => (isAdmission(args) ? lost() : redis.evalsha(...args)));
    await expect(launch.admit({ count: 2 })).rejects.toMatchObject({ code: 'REDIS' });
    // The last coupon ends the line. The script after it, which ends the other places, does not arrive.
    const before = sent.mock.calls.length;
    const isAfterIt = () => sent.mock.calls.slice(before, -1).some(isAdmission);
    sent.mockImplementation((...args) => (isAfterIt() && !isAdmission(args) ? lost() : redis.evalsha(...args)));
    await expect(launch.admit({ count: 2 })).rejects.toMatchObject({ code: 'REDIS' });
    sent.mockImplementation((...args) => redis.evalsha(...args));
    const { read } = await scrape();
    expect((await launch.inspect()).issued).toBe(1);
    expect([read('coupon_issuer_admitted_total'), read('coupon_issuer_issued_total')]).toEqual([1, 1]);
    expect(read('coupon_issuer_step_duration_seconds_count', { step: 'admit', error_type: 'REDIS' })).toBe(2);
    expect(read('coupon_issuer_batch_size_count', { step: 'admit' })).toBe(1);
  });

  test('are bounded with 10,000 campaigns, and so are the calls of a scrape', async () => {
    const client = new CountingClient(redis);
    await issuer.close();
    issuer = new CouponIssuer({ redis: client, prefix: `telemetry-${prefixes}` });
    const scrape = prometheus({ maxCampaigns: 20, campaigns: ['named'] });
    const madeUp = Array.from({ length: 10_000 }, (_, i) => issuer.campaign(`made-up-${i}`).issue({ userId: 'ann' }));
    await Promise.allSettled(madeUp);
    for (const id of ['named', ...Array.from({ length: 30 }, (_, i) => `real-${i}`)]) {
      await issuer.campaign(id).open({ stock: { kind: 'counted', total: 1 } });
      await issuer.campaign(id).issue({ userId: 'ann' });
    }
    const { read, series } = await scrape();
    expect(series('coupon_issuer_issued_total')).toBe(21);
    expect(series('coupon_issuer_ready')).toBe(20);
    const outcome = { campaign: '_other', outcome: 'UNKNOWN_CAMPAIGN' };
    expect(read('coupon_issuer_requests_total', outcome)).toBe(10_000);
    expect(read('coupon_issuer_issued_total', { campaign: '_other' })).toBe(11);
    expect(read('coupon_issuer_units', { campaign: 'named', state: 'issued' })).toBe(1);
    const before = client.sent;
    await scrape();
    expect(client.sent - before).toBe(20);
  });

  test.each([1, 100])(
    'lose their gauges, and not the scrape, while Redis is away, with %i labels',
    async (maxCampaigns) => {
      const own = await RedisServer.start();
      const away = own.client();
      away.on('error', () => {});
      await issuer.close();
      issuer = new CouponIssuer({ redis: away, timeoutMs: 200 });
      const [scrape, collect] = [prometheus({ maxCampaigns }), openTelemetry({ maxCampaigns })];
      await issuer.campaign('launch').open({ stock: { kind: 'counted', total: 5 } });
      await issuer.campaign('launch').issue({ userId: 'ann' });
      expect((await scrape()).read('coupon_issuer_units', { state: 'issued' })).toBe(1);
      await own.stop();
      const { read } = await scrape();
      expect([read('coupon_issuer_units'), read('coupon_issuer_ready')]).toEqual([undefined, undefined]);
      expect(read('coupon_issuer_issued_total')).toBe(1);
      expect((await collect())('coupon_issuer.issued')).toBe(1);
      away.disconnect();
    },
  );

  test('end with stop, which takes the metrics out of their registry', async () => {
    const register = new Registry();
    const telemetry = observeWithPrometheus(issuer, { register });
    telemetry.stop();
    expect(await register.metrics()).toBe('\n');
    observeWithPrometheus(issuer, { register }).stop();
  });
});

test.each([
  [{ maxCampaigns: 0 }, 'maxCampaigns'],
  [{ maxCampaigns: 1.5 }, 'maxCampaigns'],
  [{ campaigns: 'launch' }, 'campaigns'],
  [{ campaigns: ['a b'] }, 'id'],
  [{ unknown: 1 }, 'unknown'],
])('options %j are refused by name, before anything is measured', async (options, name) => {
  const register = new Registry();
  const wrong = options as never;
  expect(() => observeWithPrometheus(issuer, { register, ...(wrong as object) })).toThrow(name);
  expect(() => observeWithOpenTelemetry(issuer, wrong)).toThrow(name);
  expect(await register.metrics()).toBe('\n');
});
