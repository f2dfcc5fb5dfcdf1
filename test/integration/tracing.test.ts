import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, type CouponIssuerOptions, NotSavedError } from '../../src/index.js';
import type {
  AdmitMessage,
  BatchMessage,
  CacheMessage,
  ChangeMessage,
  DeliverMessage,
  EventMessage,
  IssueMessage,
  RedeemMessage,
  SaveMessage,
  SettleMessage,
} from '../../src/tracing/channels.js';
import { until } from '../support/checks/until.js';
import { fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';

interface Heard {
  issue: IssueMessage[];
  batch: BatchMessage[];
  save: SaveMessage[];
  deliver: DeliverMessage[];
  settle: SettleMessage[];
  admit: AdmitMessage[];
  change: ChangeMessage[];
  redeem: RedeemMessage[];
  cache: CacheMessage[];
  event: EventMessage[];
}

const STEPS = ['issue', 'batch', 'save', 'deliver', 'settle', 'admit', 'change', 'redeem', 'cache'] as const;

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuer: CouponIssuer;
let heard: Heard;
const forget: (() => void)[] = [];
let campaigns = 0;

/** The messages of steps that ended, and of events. */
function listen(): Heard {
  const all: Heard = {
    issue: [],
    batch: [],
    save: [],
    deliver: [],
    settle: [],
    admit: [],
    change: [],
    redeem: [],
    cache: [],
    event: [],
  };
  const names = [
    ...STEPS.map((step) => [step, `tracing:coupon-issuer:${step}:asyncEnd`]),
    ['event', 'coupon-issuer:event'],
  ];
  for (const [key, name] of names as [keyof Heard, string][]) {
    const hear = (message: unknown) => void (all[key] as unknown[]).push(message);
    subscribe(name, hear);
    forget.push(() => unsubscribe(name, hear));
  }
  return all;
}

const make = (options: Partial<CouponIssuerOptions> = {}) => {
  issuer = new CouponIssuer({ redis, persistence, ...options });
  return issuer.campaign(`traced-${++campaigns}`);
};
const sum = (messages: readonly { issued: number }[]) => messages.reduce((total, { issued }) => total + issued, 0);

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  persistence = new ScriptedPersistence();
  heard = listen();
});
afterEach(async () => {
  for (const end of forget.splice(0)) end();
  await issuer.close();
});

describe('the channels of a campaign', () => {
  test('tell every call with its answer, and each issued unit once, whatever is repeated', async () => {
    const launch = make();
    await launch.open({ stock: { kind: 'counted', total: 20 }, perUser: 1 });
    const calls = Array.from({ length: 30 }, (_, i) => ({ userId: `user-${i % 25}`, requestId: `request-${i % 25}` }));
    for (let time = 0; time < 2; time++) await Promise.all(calls.map((call) => launch.issue(call)));
    await issuer.idle();
    expect(heard.issue).toHaveLength(60);
    expect(heard.issue.filter(({ status, replayed }) => status === 'issued' && !replayed)).toHaveLength(20);
    expect(heard.issue.every(({ campaignId, durationMs }) => campaignId === launch.id && durationMs! >= 0)).toBe(true);
    expect(sum(heard.batch)).toBe((await launch.inspect()).issued);
  });

  test('name the calls behind each batch, so that a trace can link them', async () => {
    const launch = make({ deliver: () => {} });
    await launch.open({ stock: { kind: 'counted', total: 3 } });
    await Promise.all(['ann', 'ben', 'cleo', 'dan'].map((userId) => launch.issue({ userId })));
    await issuer.idle();
    const [reserve, confirm] = [heard.batch[0]!, heard.batch.findLast(({ step }) => step === 'confirm')!];
    expect(reserve).toMatchObject({ step: 'reserve', campaignId: launch.id, size: 4, issued: 0 });
    expect(new Set(reserve.calls)).toEqual(new Set(heard.issue));
    expect(heard.save.flatMap(({ calls }) => calls)).toHaveLength(3);
    expect(heard.deliver).toHaveLength(3);
    expect(heard.deliver.every(({ calls }) => heard.issue.includes(calls[0]!))).toBe(true);
    expect(confirm.calls.every((call) => heard.issue.includes(call))).toBe(true);
  });

  test('count units that nothing is saved for at the reserve that issues them', async () => {
    issuer = new CouponIssuer({ redis });
    const launch = issuer.campaign(`traced-${++campaigns}`);
    await launch.open({ stock: { kind: 'counted', total: 2 } });
    for (const userId of ['ann', 'ann', 'ben', 'cleo']) await launch.issue({ userId, requestId: 'one' });
    expect(heard.batch.map(({ step, issued }) => [step, issued])).toEqual([1, 0, 1, 0].map((n) => ['reserve', n]));
    expect((await launch.inspect()).issued).toBe(2);
  });

  test('tell a save that failed by the kind of its error alone', async () => {
    const launch = make();
    await launch.open({ stock: { kind: 'counted', total: 3 } });
    persistence.next(fails(new NotSavedError('the row of ann with code SECRET-1 was refused', { wholeBatch: true })));
    await launch.issue({ userId: 'ann' }).catch(() => {});
    expect(heard.save).toMatchObject([{ errorType: 'NotSavedError', saved: 0, size: 1 }]);
    expect(heard.issue).toMatchObject([{ status: null, errorType: 'NOT_ISSUED' }]);
    expect(heard.event).toContainEqual({
      issuerId: issuer.id,
      type: 'fault',
      campaignId: launch.id,
      count: 1,
      during: 'save',
      errorType: expect.any(String),
    });
  });

  test('tell what a settle and an admission did', async () => {
    const launch = make();
    await launch.open({ stock: { kind: 'counted', total: 5 }, saveMode: 'write-behind' });
    await Promise.all(['ann', 'ben'].map((userId) => launch.issue({ userId })));
    expect(sum(heard.batch)).toBe(0);
    await launch.settle();
    expect(heard.settle).toMatchObject([{ campaignId: launch.id, size: 2, settled: 2, failed: 0 }]);
    expect(sum(heard.batch)).toBe(2);

    const room = new CouponIssuer({ redis });
    const night = room.campaign(`traced-${++campaigns}`);
    await night.open({ stock: { kind: 'counted', total: 2 }, admission: 'queued' });
    for (const userId of ['ann', 'ben']) await night.join({ userId });
    await night.leave({ userId: 'ben' });
    await night.admit({ count: 2 });
    expect(heard.admit[0]).toMatchObject({ campaignId: night.id, size: 1, issued: 1 });
    const left = { type: 'places_ended', campaignId: night.id, count: 1, reason: 'left' };
    expect(heard.event).toContainEqual({ issuerId: room.id, ...left });
    await room.close();
  });

  test('tell every redemption with its answer', async () => {
    const launch = make();
    await launch.open({ stock: { kind: 'counted', total: 1, generateCodes: true } });
    const result = await launch.issue({ userId: 'ann' });
    const code = result.status === 'issued' ? result.issuance.code! : '';
    const redeem = (by: string, of = code) => launch.redeem({ userId: 'ann', code: of, redemptionId: by });
    await redeem('order-1');
    await redeem('order-2');
    await redeem('order-3', 'NONE-1');
    expect(heard.redeem.map(({ size }) => size)).toEqual([1, 1, 1]);
    expect(heard.change.map(({ campaignId, verb, status }) => ({ campaignId, verb, status }))).toEqual(
      ['redeemed', 'already_redeemed', 'not_found'].map((status) => ({
        campaignId: launch.id,
        verb: 'redeem',
        status,
      })),
    );
  });

  test('hold no user, no code, no id of a request and no data', async () => {
    const secrets = ['user-secret', 'request-secret', 'PROMO-SECRET', 'data-secret', 'order-secret'];
    const launch = make({ deliver: () => Promise.reject(new Error('PROMO-SECRET of user-secret was refused')) });
    await launch.open({ stock: { kind: 'codes' } });
    await launch.loadCodes(['PROMO-SECRET', 'PROMO-SECRET-2']);
    const request = { userId: 'user-secret', requestId: 'request-secret', data: { note: 'data-secret' } };
    await launch.issue(request);
    await launch.redeem({ userId: 'user-secret', code: 'PROMO-SECRET', redemptionId: 'order-secret' });
    await issuer.cache({ name: 'grade', ttlMs: 1_000, load: async () => 'data-secret' }).get('user-secret');
    await issuer.idle();
    const text = JSON.stringify(heard);
    expect(heard.issue.length * heard.batch.length * heard.deliver.length * heard.redeem.length).toBeGreaterThan(0);
    expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
  });
});

describe('the channel of caches', () => {
  test('tells where each value came from', async () => {
    issuer = new CouponIssuer({ redis });
    const options = { name: `grade-${++campaigns}`, ttlMs: 60_000, load: async () => 'gold' };
    const grades = issuer.cache({ ...options, local: { max: 10, ttlMs: 60_000 } });
    await Promise.all([grades.get('kim'), grades.get('kim')]);
    // Once it hears of changes, this process remembers.
    await until(async () => {
      await grades.get('kim');
      return heard.cache.at(-1)!.result === 'local';
    });
    const other = new CouponIssuer({ redis });
    await other.cache(options).get('kim');
    const failing = issuer.cache({ name: 'failing', ttlMs: 1_000, load: () => Promise.reject(new Error('down')) });
    await failing.get('kim').catch(() => {});
    const results = heard.cache.map(({ result }) => result);
    expect(results.slice(0, 2)).toEqual(['loaded', 'coalesced']);
    expect(results.slice(-3)).toEqual(['local', 'shared', 'failed']);
    await other.close();
  });
});

test('a store that follows the channel of calls is there within the call', async () => {
  const launch = make({ deliver: () => void seen.push(store.getStore()) });
  const { AsyncLocalStorage } = await import('node:async_hooks');
  const { tracingChannel } = await import('node:diagnostics_channel');
  const store = new AsyncLocalStorage<string>();
  const seen: (string | undefined)[] = [];
  const channel = tracingChannel<unknown, IssueMessage>('coupon-issuer:issue');
  (channel.start as unknown as { bindStore(to: unknown, of: (message: IssueMessage) => string): void }).bindStore(
    store,
    ({ campaignId }) => `call of ${campaignId}`,
  );
  forget.push(() => (channel.start as unknown as { unbindStore(to: unknown): void }).unbindStore(store));
  await launch.open({ stock: { kind: 'counted', total: 2 } });
  await Promise.all([launch.issue({ userId: 'ann' }), launch.issue({ userId: 'ben' })]);
  expect(seen).toEqual([`call of ${launch.id}`, `call of ${launch.id}`]);
});
