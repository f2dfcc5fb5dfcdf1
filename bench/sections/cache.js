// The cache: how often it loads, how long a caller waits for that, how long a change takes to show, and what `eligible` through it costs.
import { fork } from 'node:child_process';
import { CouponIssuer } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import { connectedPool, emptyTable } from '../database.js';
import { measureCpu } from '../support-cpu.js';
import { alternate, atMost, medianOf, quantiles, watchRedis } from '../support-rounds.js';
import { CPU_HEAD, cpuCells, inMs, markdownTable, terminalTable, whole } from '../table.js';

export const name = 'cache';
export const title = 'Eligibility through a cache';

const CHILD = new URL('../cache-process.js', import.meta.url);
const TABLE = 'bench_cache';
const COLD = 1_000;
const LOAD_MS = 50;
const TTL_MS = 1_000;
/** On each side of the beginning of a load. */
const AROUND_MS = 100;
const CALLERS = 20;

export async function run(ground) {
  const { quick } = ground;
  const client = new Redis(ground.redisPort, '127.0.0.1');
  try {
    const fresh = () => client.flushall();
    const cold = [];
    for (const count of [1, 3]) {
      await fresh();
      const cache = { ttlMs: 60_000 };
      const task = { part: 'cold', cache, loadMs: LOAD_MS, callers: Math.ceil(COLD / count) };
      cold.push({ count, loads: sum(await together(ground, count, task), 'loads') });
    }
    const expiring = [];
    for (const beta of [1, 0]) {
      await fresh();
      const task = { part: 'expiring', cache: { ttlMs: TTL_MS, beta }, loadMs: LOAD_MS, ms: 4_000, callers: CALLERS };
      const figures = await together(ground, 3, task);
      expiring.push({ beta, loads: sum(figures, 'loads'), ...around(figures) });
    }
    const stale = [];
    for (let round = 0; round < (quick ? 3 : 20); round++) {
      await fresh();
      stale.push(await staleness(ground, client));
    }
    const eligible = await spikes(ground, client);
    const [early, late] = expiring;
    const aims = [
      atMost('loads of 1,000 cold callers in one process', 1, cold[0].loads, whole),
      atMost('loads of 1,000 cold callers in three processes', 1, cold[1].loads, whole),
      atMost('loads within 4 s at a TTL of 1 s in three processes, without early refresh', 5, late.loads, whole),
      // Of so many callers the first one draws early by several loads, so one value more is loaded.
      atMost('loads within 4 s at a TTL of 1 s in three processes, with early refresh', 6, early.loads, whole),
      atMost('p99 around an early refresh, beside half of a load', LOAD_MS / 2, early.p99, inMs),
    ];
    return {
      quick,
      cold,
      expiring,
      stale: { rounds: stale.length, ...quantiles(stale), most: Math.max(...stale) },
      eligible,
      aims,
      wrong: [],
    };
  } finally {
    client.disconnect();
  }
}

const sum = (figures, name) => figures.reduce((all, one) => all + one[name], 0);

/** The calls that were under way around a load of some process: windows as wide with early refreshes as without. */
function around(figures) {
  const loading = figures.flatMap(({ loading }) => loading);
  const calls = figures.flatMap(({ calls }) => calls);
  const isNear = (call) => loading.some(({ from }) => call.from < from + AROUND_MS && from - AROUND_MS < call.till);
  const near = calls.filter(isNear).map(({ from, till }) => till - from);
  const waited = near.filter((ms) => ms > LOAD_MS / 2).length;
  return { calls: calls.length, near: near.length, waited, ...quantiles(near) };
}

/** Children that begin at the same word. */
async function together(ground, count, task) {
  const children = await Promise.all(Array.from({ length: count }, () => startChild(ground, task)));
  for (const child of children) child.send('go');
  const figures = await Promise.all(children.map((child) => messageOf(child)));
  await Promise.all(children.map((child) => child.exited));
  return figures;
}

async function startChild({ redisPort }, task) {
  const child = fork(CHILD, { stdio: 'inherit', serialization: 'advanced' });
  child.exited = new Promise((resolve) => child.once('exit', resolve));
  child.send({ redisPort, ...task });
  await messageOf(child);
  return child;
}

function messageOf(child) {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`a process of the cache exited with ${code}`)));
  });
}

/** From the answer to an invalidation here until a process that remembers the value shows the new one. */
async function staleness(ground, redis) {
  const options = { ttlMs: 60_000, local: { max: 10, ttlMs: 10_000 } };
  const child = await startChild(ground, { part: 'watching', cache: options, loadMs: 0 });
  const issuer = new CouponIssuer({ redis });
  const cache = issuer.cache({ name: 'bench', load: () => 0, ...options });
  child.send('go');
  await messageOf(child);
  child.send({ version: 1 });
  await messageOf(child);
  await cache.invalidate('kim');
  child.send({ invalidatedAt: performance.timeOrigin + performance.now() });
  const { staleMs } = await messageOf(child);
  await Promise.all([issuer.close(), child.exited]);
  return Math.max(0, staleMs);
}

/** A hundred requests for each coupon, all at once: with no rule, and with one that asks the cache. */
async function spikes(ground, redis) {
  const { quick } = ground;
  const stock = quick ? 5 : 100;
  const requests = stock * 100;
  const watch = watchRedis(ground.redisPort);
  const pool = await connectedPool(ground.postgresUrl, 10);
  const ways = [
    { name: 'no rule', cache: null },
    { name: 'a rule that asks nobody', cache: null, eligible: async () => true },
    { name: 'the block list in Redis', cache: {} },
    { name: 'the block list in memory', cache: { local: { max: requests, ttlMs: 60_000 } } },
  ];
  try {
    const round = (way) => spike({ way, stock, requests, pool, redis, watch, databasePid: ground.databasePid });
    await round(ways[0]);
    const measured = await alternate(ways, quick ? 1 : 5, round);
    return { stock, requests, ways: ways.map(({ name }, i) => ({ name, ...medianOf(measured[i]) })) };
  } finally {
    watch.close();
    await pool.end();
  }
}

async function spike({ way, stock, requests, pool, redis, watch, databasePid }) {
  await redis.flushall();
  await emptyTable(pool, TABLE);
  const persistence = new PostgresPersistence(pool, { table: TABLE });
  const rule = async ({ userId }) => ((await blocked.get(userId)) ? { reason: 'blocked' } : true);
  const issuer = new CouponIssuer({
    redis,
    persistence,
    ...(way.cache ? { eligible: rule } : way.eligible && { eligible: way.eligible }),
  });
  const blocked = issuer.cache({ name: 'blocked', ttlMs: 600_000, load: () => false, ...way.cache });
  const users = Array.from({ length: requests }, (_, n) => `user-${n}`);
  if (way.cache) await blocked.warm(users, { concurrency: 500 });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: stock } });
  const cpu = await measureCpu({ redis: watch, databasePid });
  const startedAt = performance.now();
  const answers = await Promise.all(users.map((userId) => launch.issue({ userId })));
  await issuer.idle();
  const seconds = (performance.now() - startedAt) / 1000;
  const costs = await cpu(requests);
  const issued = answers.filter(({ status }) => status === 'issued').length;
  if (issued !== stock) throw new Error(`${issued} of ${stock} were issued`);
  await issuer.close();
  return { perSecond: requests / seconds, ...costs };
}

const COLD_HEAD = ['1,000 cold callers', 'loads', ''];
const coldCells = ({ count, loads }) => [`in ${count === 1 ? 'one process' : `${count} processes`}`, whole(loads), ''];
const EXPIRING_HEAD = [
  '4 s, TTL 1 s, 3 processes',
  'loads',
  'calls',
  'around a load',
  'of them waited for it',
  'their p50',
  'their p95',
  'their p99',
  '',
];
const expiringCells = ({ beta, loads, calls, near, waited, p50, p95, p99 }) => [
  beta === 0 ? 'no early refresh' : 'early refresh',
  ...[loads, calls, near, waited].map(whole),
  ...[p50, p95, p99].map(inMs),
  '',
];
const ELIGIBLE_HEAD = ['`eligible` under the spike', 'answers/s', ...CPU_HEAD];
const eligibleCells = (one) => [one.name, whole(one.perSecond), ...cpuCells(one)];
const staleText = ({ rounds, p50, most }) =>
  `After an invalidation was answered, a process that remembered the value showed the new one within ${inMs(p50)} at the median of ${rounds} rounds, ${inMs(most)} at most`;

export function lines({ cold, expiring, stale, eligible }) {
  return [
    ...terminalTable(COLD_HEAD, cold.map(coldCells)),
    ...terminalTable(EXPIRING_HEAD, expiring.map(expiringCells)),
    `  ${staleText(stale)}`,
    ...terminalTable(ELIGIBLE_HEAD, eligible.ways.map(eligibleCells)),
  ];
}

export function markdown({ cold, expiring, stale, eligible }) {
  return [
    `A load takes ${LOAD_MS} ms. Cold callers ask for one key at the same moment. ${CALLERS} callers in each of three processes then ask for one key again and again; of these count the calls within ${AROUND_MS} ms of the beginning of a load. One of them waited if it took longer than half of a load. The more callers draw, the earlier the first one refreshes, and the more is loaded.`,
    markdownTable(COLD_HEAD, cold.map(coldCells)),
    markdownTable(EXPIRING_HEAD, expiring.map(expiringCells)),
    `${staleText(stale)}: the new value was loaded within that time.`,
    `Under the spike ${whole(eligible.requests)} users ask at once for ${whole(eligible.stock)} coupons, and the values are warm. CPU is that of one answer.`,
    markdownTable(ELIGIBLE_HEAD, eligible.ways.map(eligibleCells)),
  ].join('\n\n');
}
