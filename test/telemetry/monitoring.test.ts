import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Campaign, CouponIssuer, NotSavedError } from '../../src/index.js';
import { observeIssuer as observeWithOpenTelemetry } from '../../src/opentelemetry/index.js';
import { observeIssuer as observeWithPrometheus } from '../../src/prometheus/index.js';
import { until } from '../support/checks/until.js';
import { fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { Prometheus } from '../support/servers/prometheus.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ROOT = new URL('../../', import.meta.url).pathname;
const dashboard = JSON.parse(readFileSync(`${ROOT}docs/monitoring/grafana.json`, 'utf8')) as {
  panels: {
    id: number;
    title: string;
    gridPos: { x: number; y: number; w: number; h: number };
    targets: { expr: string }[];
  }[];
};
const expressions = dashboard.panels.flatMap(({ title, targets }) =>
  targets.map(({ expr }) => [title, expr.replaceAll('$campaign', '.*')] as const),
);

describe('the alert rules', () => {
  test.each([
    ['are whole', ['check', 'rules', 'docs/monitoring/alerts.yml']],
    ['tell what is wrong in both spellings, and nothing else', ['test', 'rules', 'test/telemetry/alerts.test.yml']],
  ])('%s', (_, args) => {
    const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: ROOT, encoding: 'utf8' });
    expect(`${stdout}${stderr}`).toContain('SUCCESS');
    expect(status).toBe(0);
  });
});

test('no two panels of the dashboard lie on each other', () => {
  const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)}:${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
});

// Both at once: a Prometheus looks for its targets five seconds after it has started.
describe.concurrent.each(['prom-client', 'OpenTelemetry'] as const)('the dashboard over the metrics of %s', (by) => {
  let redis: RedisServer;
  let issuer: CouponIssuer;
  let target: Server;
  let prometheus: Prometheus;
  let stopped = false;
  let night: Promise<void>;
  const persistence = new ScriptedPersistence();

  beforeAll(async () => {
    redis = await RedisServer.start();
    issuer = new CouponIssuer({ redis: redis.client(), persistence });
    target = createServer(by === 'prom-client' ? byPromClient(issuer) : byOpenTelemetry(issuer));
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
    prometheus = await Prometheus.start((target.address() as AddressInfo).port);
    night = live(issuer, persistence, () => stopped);
  });
  afterAll(async () => {
    stopped = true;
    await night;
    await prometheus.stop();
    await new Promise((resolve) => target.close(resolve));
    await issuer.close();
    await redis.stop();
  });

  test.each(expressions)('has points for %s', async (_, expression) => {
    await until(async () => (await prometheus.query(expression)).length > 0, 60_000);
    const points = await prometheus.query(expression);
    expect(points.every(({ metric }) => metric.campaign === undefined || /^(launch|line)$/.test(metric.campaign))).toBe(
      true,
    );
  });
});

function byPromClient(issuer: CouponIssuer): RequestListener {
  const register = new Registry();
  observeWithPrometheus(issuer, { register });
  return async (_, response) => void response.end(await register.metrics());
}

function byOpenTelemetry(issuer: CouponIssuer): RequestListener {
  const exporter = new PrometheusExporter({ preventServerStart: true });
  observeWithOpenTelemetry(issuer, { meterProvider: new MeterProvider({ readers: [exporter] }) });
  return (request, response) => exporter.getMetricsRequestHandler(request, response);
}

/** A campaign with a line, one without, redemptions, a cache and a fault, again and again. */
async function live(issuer: CouponIssuer, persistence: ScriptedPersistence, isOver: () => boolean): Promise<void> {
  const [launch, line] = [issuer.campaign('launch'), issuer.campaign('line')];
  const grades = issuer.cache({ name: 'grade', ttlMs: 60_000, load: async () => 'gold' });
  await launch.open({ stock: { kind: 'counted', total: 1e6, generateCodes: true } });
  await line.open({ stock: { kind: 'counted', total: 1e6 }, admission: 'queued' });
  for (let round = 0; !isOver(); round++) {
    const userId = `user-${round}`;
    await issueAndRedeem(launch, userId);
    await line.join({ userId });
    await line.admit({ count: 1 });
    await grades.get(userId);
    persistence.next(fails(new NotSavedError('no room', { wholeBatch: true })));
    await launch.issue({ userId: `failing-${round}` }).catch(() => {});
    await issuer.settle();
  }
}

async function issueAndRedeem(launch: Campaign, userId: string): Promise<void> {
  const result = await launch.issue({ userId });
  if (result.status !== 'issued') throw new Error(result.status);
  await launch.redeem({ userId, code: result.issuance.code!, redemptionId: userId });
}
