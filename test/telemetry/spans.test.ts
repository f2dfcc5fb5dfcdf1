import { inspect } from 'node:util';
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { Redis } from 'ioredis';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, NotSavedError } from '../../src/index.js';
import {
  type OpenTelemetryOptions,
  type OpenTelemetryTelemetry,
  observeIssuer,
} from '../../src/opentelemetry/index.js';
import { observeIssuer as observeWithPrometheus } from '../../src/prometheus/index.js';
import { fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuer: CouponIssuer;
let exporter: InMemorySpanExporter;
let tracerProvider: BasicTracerProvider;
let telemetry: OpenTelemetryTelemetry;
let campaigns = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(async () => {
  context.disable();
  await server.stop();
});
beforeEach(() => {
  persistence = new ScriptedPersistence();
  exporter = new InMemorySpanExporter();
  tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
});
afterEach(async () => {
  telemetry.stop();
  await issuer.close();
});

async function opened(options: OpenTelemetryOptions = {}) {
  issuer = new CouponIssuer({ redis, persistence });
  const launch = issuer.campaign(`spans-${++campaigns}`);
  await launch.open({ stock: { kind: 'counted', total: 100 } });
  telemetry = observeIssuer(issuer, { tracerProvider, ...options });
  return launch;
}
const named = (name: string): ReadableSpan[] => exporter.getFinishedSpans().filter((span) => span.name === name);

test('each batch has one span, which links the spans of its callers', async () => {
  const launch = await opened();
  const tracer = tracerProvider.getTracer('shop');
  const callers = await Promise.all(
    ['ann', 'ben', 'cleo'].map((userId) =>
      tracer.startActiveSpan(`request of ${userId}`, async (span) => {
        await launch.issue({ userId });
        span.end();
        return span.spanContext().spanId;
      }),
    ),
  );
  await issuer.idle();
  for (const name of ['coupon_issuer.reserve', 'coupon_issuer.save', 'coupon_issuer.confirm']) {
    const spans = named(name);
    expect(spans).toHaveLength(1);
    expect(spans[0]!.links.map((link) => link.context.spanId).toSorted()).toEqual(callers.toSorted());
    expect(spans[0]!.parentSpanContext).toBeUndefined();
    expect(spans[0]!.attributes).toMatchObject({
      'coupon_issuer.campaign.id': launch.id,
      'coupon_issuer.batch.size': 3,
      'coupon_issuer.outcome': 'done',
    });
  }
  expect(exporter.getFinishedSpans().some(({ name }) => name === 'coupon_issuer.issue')).toBe(false);
});

test('a step that failed has the kind of its error and no message', async () => {
  const launch = await opened();
  persistence.next(fails(new NotSavedError('code SECRET-1 was refused', { wholeBatch: true })));
  await launch.issue({ userId: 'ann' }).catch(() => {});
  const [save] = named('coupon_issuer.save');
  expect(save!.attributes).toMatchObject({ 'error.type': 'NotSavedError', 'coupon_issuer.outcome': 'failed' });
  expect(save!.status).toEqual({ code: SpanStatusCode.ERROR });
  expect(save!.events).toEqual([]);
});

test('perCall gives each call a span of its own, a child of the span around it', async () => {
  const launch = await opened({ perCall: true });
  const tracer = tracerProvider.getTracer('shop');
  const parent = await tracer.startActiveSpan('request', async (span) => {
    await launch.issue({ userId: 'ann' });
    span.end();
    return span.spanContext().spanId;
  });
  await issuer.idle();
  const [call] = named('coupon_issuer.issue');
  expect(call!.parentSpanContext?.spanId).toBe(parent);
  expect(call!.attributes).toMatchObject({ 'coupon_issuer.outcome': 'issued' });
  expect(named('coupon_issuer.save')[0]!.links.map((link) => link.context.spanId)).toEqual([
    call!.spanContext().spanId,
  ]);
});

test('no span has more links than the SDK keeps', async () => {
  const launch = await opened({ perCall: true });
  await launch.restock({ add: 400, requestId: 'more' });
  await Promise.all(Array.from({ length: 300 }, (_, i) => launch.issue({ userId: `user-${i}` })));
  await issuer.idle();
  expect(Math.max(...named('coupon_issuer.reserve').map(({ links }) => links.length))).toBe(128);
});

test('neither spans nor metrics hold a user, a code, an id of a request or data', async () => {
  const secrets = ['user-secret', 'request-secret', 'PROMO-SECRET', 'data-secret', 'hunter2'];
  issuer = new CouponIssuer({
    redis,
    persistence,
    deliver: () => Promise.reject(Object.assign(new Error('PROMO-SECRET, hunter2'), { code: 'PROMO-SECRET' })),
  });
  const register = new Registry();
  const metrics = observeWithPrometheus(issuer, { register });
  telemetry = observeIssuer(issuer, { tracerProvider, perCall: true });
  const launch = issuer.campaign(`spans-${++campaigns}`);
  await launch.open({ stock: { kind: 'codes' } });
  await launch.loadCodes(['PROMO-SECRET']);
  await launch.issue({ userId: 'user-secret', requestId: 'request-secret', data: { note: 'data-secret' } });
  await launch.redeem({ userId: 'user-secret', code: 'PROMO-SECRET', redemptionId: 'request-secret' });
  await issuer.idle();
  const page = await register.metrics();
  const spans = inspect(exporter.getFinishedSpans(), { depth: 8 });
  expect(page).toContain('coupon_issuer_faults_total{during="deliver"');
  expect(named('coupon_issuer.deliver')).toHaveLength(1);
  expect(secrets.filter((secret) => page.includes(secret) || spans.includes(secret))).toEqual([]);
  metrics.stop();
});

test('stop ends the spans', async () => {
  const launch = await opened();
  telemetry.stop();
  await launch.issue({ userId: 'ann' });
  expect(exporter.getFinishedSpans()).toEqual([]);
  expect(trace.getActiveSpan()).toBeUndefined();
});
