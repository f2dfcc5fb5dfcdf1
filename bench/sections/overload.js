// More requests than can be served, from people who do not wait for each other: an open loop. What is accepted keeps its speed, and the others
// are told to come back.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CouponIssuer, httpStatus, OverloadedError } from 'coupon-issuer';
import { createTableSql, PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import pg from 'pg';
import { measureCpu } from '../support-cpu.js';
import { alternate, atLeast, atMost, closedLoop, inTimes, medianOf, quantiles, watchRedis } from '../support-rounds.js';
import { CPU_HEAD, cpuCells, inMs, markdownTable, terminalTable, whole } from '../table.js';

export const name = 'overload';
export const title = 'Three times what fits';

const TABLE = 'bench_overload';
const MAX_QUEUED = 2_000;
/** Enough callers to keep every batch full, few enough that none is refused. */
const CLOSED_CALLERS = 1_536;
const LOADS = [1, 2, 3];
/** Arrivals are started for at most so long before whatever else the process has to do gets its turn, as with connections. */
const TURN_MS = 5;

export async function run({ redisPort, postgresUrl, databasePid, quick, print }) {
  const rounds = quick ? 1 : 3;
  const ms = quick ? 1_200 : 4_000;
  const pool = new pg.Pool({ connectionString: postgresUrl, max: 10, idleTimeoutMillis: 0 });
  pool.on('error', () => {});
  const redis = new Redis(redisPort, '127.0.0.1');
  const watch = watchRedis(redisPort);
  const parts = { redis: watch, databasePid };
  const persistence = new PostgresPersistence(pool, { table: TABLE });
  const issuer = new CouponIssuer({ redis, persistence, maxQueued: MAX_QUEUED });
  const wrong = [];
  let round = 0;
  /** A campaign and an empty table for one measurement, and afterwards its books. */
  const onFreshGround = async (what, measure) => {
    const campaignId = `bench-${++round}`;
    await pool.query(createTableSql({ table: TABLE }));
    await pool.query(`TRUNCATE ${TABLE}`);
    await redis.flushall();
    await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 100_000_000 } });
    const figures = await measure((n) => issuer.campaign(campaignId).issue({ userId: `user-${n}` }));
    await issuer.idle();
    const { rows } = await pool.query(`SELECT count(*)::int AS stored FROM ${TABLE}`);
    const { issued, reserved } = await issuer.campaign(campaignId).inspect();
    if (rows[0].stored !== figures.issued || issued !== figures.issued || reserved !== 0) {
      wrong.push(
        `${what}: ${figures.issued} were told issued, ${rows[0].stored} rows, ${issued} issued and ${reserved} reserved in Redis`,
      );
    }
    for (const fault of figures.faults ?? []) wrong.push(`${what}: ${fault}`);
    return figures;
  };
  const closed = () =>
    onFreshGround('closed loop', async (issue) => {
      const call = async (n) => (await issue(n)).status === 'issued';
      const finish = () => issuer.idle();
      const figures = await closedLoop({ call, finish, inFlight: CLOSED_CALLERS, ms, parts });
      if (figures.error) throw new Error(`the closed loop: ${figures.error}`);
      return { ...figures, issued: figures.good };
    });
  try {
    await closed();
    const peaks = await alternate(['peak'], quick ? 1 : 3, closed);
    const peak = medianOf(peaks[0]).perSecond;
    print(`  peak in a closed loop: ${whole(peak)} issues/s`);
    const measured = await alternate(LOADS, rounds, (load, n) =>
      onFreshGround(`${load} ×`, (issue) =>
        openLoop({ issue, perSecond: peak * load, ms, seed: 1_000 * load + n, parts }),
      ),
    );
    const loads = LOADS.map((load, i) => ({ load, ...medianOf(measured[i]) }));
    return { quick, rounds, roundMs: ms, maxQueued: MAX_QUEUED, peak, loads, aims: aimsOf(peak, loads), wrong };
  } finally {
    await issuer.close();
    watch.close();
    redis.disconnect();
    await pool.end();
  }
}

/** Requests at random instants of a seeded sequence, started when they are due whether or not anybody was answered; latencies count from then. */
async function openLoop({ issue, perSecond, ms, seed, parts }) {
  // Made before the clock runs: the load shares the process with what it measures, and has to be light.
  const dueAfter = arrivals({ perSecond, ms, random: seeded(seed) });
  const latencies = [];
  const faults = new Set();
  let refused = 0;
  let retryAfterMs = 0;
  let answers = 0;
  let lastIssuedAt = 0;
  const cpu = await measureCpu(parts);
  const startedAt = performance.now();
  const start = (n) => {
    const told = ({ status }) => {
      answers++;
      if (status !== 'issued') return faults.add(`told ${status}`);
      lastIssuedAt = performance.now();
      latencies.push(lastIssuedAt - startedAt - dueAfter[n]);
    };
    const failed = (error) => {
      answers++;
      refused++;
      if (!(error instanceof OverloadedError)) return faults.add(String(error));
      retryAfterMs = error.retryAfterMs;
      if (httpStatus(error) !== 503 || !(retryAfterMs > 0)) faults.add('an overload without a hint when to come back');
    };
    issue(n).then(told, failed);
  };

  let asked = 0;
  let generatorLateMs = 0;
  while (asked < dueAfter.length) {
    const turnAt = performance.now() - startedAt;
    if (dueAfter[asked] < turnAt) generatorLateMs = Math.max(generatorLateMs, turnAt - dueAfter[asked]);
    while (asked < dueAfter.length && dueAfter[asked] <= turnAt) {
      start(asked++);
      if (asked % 16 === 0 && performance.now() - startedAt - turnAt > TURN_MS) break;
    }
    await nextTurn();
  }
  while (answers < asked) await nextTurn();
  return {
    offered: asked / (ms / 1000),
    issued: latencies.length,
    refused,
    perSecond: latencies.length / ((lastIssuedAt - startedAt) / 1000),
    ...quantiles(latencies),
    // The refused cost as well, and nobody but the issued pays for them.
    ...(await cpu(latencies.length)),
    retryAfterMs,
    /** How far the load itself fell behind at most. */
    generatorLateMs,
    faults: [...faults],
  };
}

/** In ms from the start, in order. */
function arrivals({ perSecond, ms, random }) {
  const instants = [];
  const gap = () => (-Math.log(1 - random()) * 1_000) / perSecond;
  for (let at = gap(); at < ms; at += gap()) instants.push(at);
  return Float64Array.from(instants);
}

/** mulberry32: the same arrivals in every run. */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function aimsOf(peak, loads) {
  const [once, twice, thrice] = loads;
  // The load of people who do not wait costs this process something as well, refused or not: against its own most, only overload is left to tell.
  const most = Math.max(once.perSecond, twice.perSecond, thrice.perSecond);
  return [
    atLeast(
      'issued at three times the peak load, against the most of such a load',
      0.9,
      thrice.perSecond / most,
      inTimes,
    ),
    atLeast('issued at three times the peak load, against a closed loop', 0.9, thrice.perSecond / peak, inTimes),
    atMost('p99 of what was issued at three times the peak load, against twice', 1.5, thrice.p99 / twice.p99, inTimes),
  ];
}

const HEAD = [
  'load',
  'offered/s',
  'issued/s',
  'of the peak',
  'refused',
  ...CPU_HEAD,
  'p50',
  'p99',
  'to retry after',
  'load late by',
];

function rowsOf({ loads, peak }) {
  return loads.map((one) => {
    const { load, offered, perSecond, refused, p50, p99, retryAfterMs, generatorLateMs } = one;
    const share = `${((perSecond / peak) * 100).toFixed(0)} %`;
    const hint = refused > 0 ? inMs(retryAfterMs) : '';
    const times = [inMs(p50), inMs(p99), hint, inMs(generatorLateMs)];
    return [`${load} ×`, whole(offered), whole(perSecond), share, whole(refused), ...cpuCells(one), ...times];
  });
}

export function lines(result) {
  return terminalTable(HEAD, rowsOf(result));
}

export function markdown(result) {
  return [
    `In a closed loop the peak is ${whole(result.peak)} issues/s committed in PostgreSQL. The same issuer with \`maxQueued: ${result.maxQueued}\` is then offered once, twice and three times that, at random instants of a seeded sequence, by people who do not wait for each other; latencies count from the instant at which a request was due, and CPU, that of the refused as well, is per coupon issued. The load is made in the same process, which pays for every refusal; \`load late by\` is how far it fell behind at most.`,
    markdownTable(HEAD, rowsOf(result)),
  ].join('\n\n');
}
