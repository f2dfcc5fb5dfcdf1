// What it costs to be measured: a question where nobody listens, and the CPU of one issue with each way of listening.
import { tracingChannel } from 'node:diagnostics_channel';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { CouponIssuer } from 'coupon-issuer';
import { observeIssuer as observeWithOpenTelemetry } from 'coupon-issuer/opentelemetry';
import { observeIssuer as observeWithPrometheus } from 'coupon-issuer/prometheus';
import { Redis } from 'ioredis';
import { Registry } from 'prom-client';
import { alternate, closedLoop, medianOf, ratioOf, watchRedis } from '../support-rounds.js';
import { markdownTable, micros, terminalTable } from '../table.js';

export const name = 'telemetry';
export const title = 'Being measured';

const IN_FLIGHT = 128;
const QUESTIONS = 5_000_000;

/** Collects nothing by itself: a scrape is not what is measured. */
class NoReader extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}

const WAYS = [
  { way: 'nobody listens', listen: () => () => {} },
  { way: 'prom-client', listen: (issuer) => observeWithPrometheus(issuer, { register: new Registry() }).stop },
  { way: 'OpenTelemetry, metrics and spans', listen: withOpenTelemetry },
];

function withOpenTelemetry(issuer) {
  const spanProcessors = [new BatchSpanProcessor({ export: (_, done) => done({ code: 0 }), shutdown: async () => {} })];
  const tracerProvider = new BasicTracerProvider({ spanProcessors });
  const meterProvider = new MeterProvider({ readers: [new NoReader()] });
  return observeWithOpenTelemetry(issuer, { tracerProvider, meterProvider }).stop;
}

export async function run({ redisPort, quick, print }) {
  const rounds = quick ? 1 : 5;
  const ms = quick ? 200 : 1_000;
  print(`  ${rounds} rounds of ${ms} ms each way, ${IN_FLIGHT} in flight, Redis alone`);
  const redis = new Redis(redisPort, '127.0.0.1');
  const watch = watchRedis(redisPort);
  try {
    await redis.flushall();
    let campaigns = 0;
    const wrong = [];
    const measured = await alternate(WAYS, rounds, async ({ way, listen }) => {
      const issuer = new CouponIssuer({ redis });
      const launch = issuer.campaign(`bench-telemetry-${++campaigns}`);
      await launch.open({ stock: { kind: 'counted', total: 1e9 } });
      const stop = listen(issuer);
      const call = async (n) => (await launch.issue({ userId: `user-${n}` })).status === 'issued';
      const round = await closedLoop({
        call,
        finish: () => issuer.idle(),
        inFlight: IN_FLIGHT,
        ms,
        parts: { redis: watch },
      });
      const { issued } = await launch.inspect();
      if (issued !== round.calls) wrong.push(`${way}: ${issued} issued after ${round.calls} calls`);
      stop();
      await issuer.close();
      return round;
    });
    const ways = WAYS.map(({ way }, i) => ({
      way,
      ...medianOf(measured[i]),
      against: ratioOf(measured[i], measured[0], 'nodeMicros'),
    }));
    return { quick, rounds, ms, questionNs: questionNs(), ways, wrong };
  } finally {
    watch.close();
    redis.disconnect();
  }
}

/** The question that each step asks. */
function questionNs() {
  const { start, asyncEnd, error } = tracingChannel('coupon-issuer:bench');
  let heard = 0;
  const startedAt = process.hrtime.bigint();
  for (let i = 0; i < QUESTIONS; i++)
    if (start.hasSubscribers || asyncEnd.hasSubscribers || error.hasSubscribers) heard++;
  return (Number(process.hrtime.bigint() - startedAt) + heard) / QUESTIONS;
}

const HEAD = ['Node, an issue', 'Redis', 'Node against nobody'];
const rowsOf = ({ ways }) =>
  ways.map(({ way, nodeMicros, redisMicros, against: { median, min, max } }) => [
    way,
    micros(nodeMicros),
    micros(redisMicros),
    `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`,
  ]);

export function lines(result) {
  return [
    `  a question where nobody listens: ${result.questionNs.toFixed(1)} ns`,
    ...terminalTable(['', ...HEAD], rowsOf(result)),
  ];
}

export function markdown(result) {
  return [
    `Where nobody listens to a step, its question takes ${result.questionNs.toFixed(1)} ns; an issue asks about four. CPU of this process for one issue in Redis alone, ${IN_FLIGHT} in flight, medians of ${result.rounds} rounds that alternate:`,
    markdownTable(['', ...HEAD], rowsOf(result)),
  ].join('\n\n');
}
