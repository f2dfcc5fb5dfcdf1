// Lines to stand in: this library's waiting room, and the sorted set with a scheduler. Each `open` gives `prepare(total)`, `join(userId)`, which answers whether
// the user stands in line, `admitAll(count)` without any pause, and for the time to an answer `start()` and `joinAndWait(userId)`.
import { Redis } from 'ioredis';
import { TODAY } from './contestants/coupon-issuer.js';
import { connectedPool, countRows, emptyTable, insertOne, statements, wentIn } from './database.js';
import { measureCpu } from './support-cpu.js';

const QUEUE = '{bench}:queue';
const POOL_SIZE = 16;
const SCHEDULER_MS = 1_000;

export async function waitingRoom({ redisPort, postgresUrl }, build = TODAY) {
  const table = `bench_waiting_room${build.suffix}`;
  const pool = await connectedPool(postgresUrl, 10);
  const redis = new Redis(redisPort, '127.0.0.1');
  const persistence = new build.PostgresPersistence(pool, { table });
  const issuer = new build.CouponIssuer({ redis, persistence });
  let round = 0;
  let campaignId;
  let worker;
  return {
    name: `${build.name}, waiting room`,
    async prepare(total) {
      await emptyTable(pool, table, build.createTableSql);
      await redis.flushall();
      campaignId = `bench-line-${++round}`;
      await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total }, admission: 'queued' });
    },
    async join(userId) {
      return (await issuer.campaign(campaignId).join({ userId })).status === 'waiting';
    },
    async admitAll(count) {
      await issuer.campaign(campaignId).admit({ count });
      await issuer.idle();
    },
    admit: (count) => issuer.campaign(campaignId).admit({ count }),
    watch: (userId) => issuer.campaign(campaignId).watch({ userId }),
    start() {
      worker = issuer.startWorker({ campaigns: [campaignId] });
    },
    async joinAndWait(userId) {
      await issuer.campaign(campaignId).join({ userId });
      for await (const { status } of issuer.campaign(campaignId).watch({ userId })) if (status === 'issued') return;
    },
    standing: () => redis.zcard(`{coupon:${campaignId}}:queue`),
    rows: async () => orderly(await countRows(pool, table)),
    async stop() {
      await worker.stop();
    },
    async close() {
      await issuer.close();
      redis.disconnect();
      await pool.end();
    },
  };
}

/** `tellsPlace`: who joins is told how many stand before them, as one of a waiting room is. */
export async function sortedSet({ redisPort, postgresUrl, tellsPlace = false }) {
  const table = 'bench_sorted_line';
  const pool = await connectedPool(postgresUrl, POOL_SIZE);
  const redis = new Redis(redisPort, '127.0.0.1');
  const insert = insertOne(table, statements(false));
  const waiting = new Map();
  let serial = 0;
  let timer;
  let ticking = Promise.resolve();

  const serve = async (count) => {
    const users = await redis.zrange(QUEUE, 0, count - 1);
    const inserts = users.map(async (userId) => {
      if (await wentIn(pool, insert({ campaignId: 'bench', userId, serial: ++serial }))) waiting.get(userId)?.();
    });
    await Promise.all(inserts);
    if (users.length > 0) await redis.zrem(QUEUE, ...users);
    return users.length;
  };
  return {
    name: `sorted set and scheduler${tellsPlace ? ', place told' : ''}`,
    async prepare() {
      await emptyTable(pool, table);
      await redis.flushall();
      serial = 0;
    },
    async join(userId) {
      const added = redis.zadd(QUEUE, 'NX', Date.now(), userId);
      if (tellsPlace) return (await Promise.all([added, redis.zrank(QUEUE, userId)]))[1] !== null;
      return (await added) === 1;
    },
    async admitAll(count) {
      for (let served = 0; served < count; ) served += await serve(500);
    },
    start() {
      timer = setInterval(() => {
        ticking = ticking.then(() => serve(1_000_000));
      }, SCHEDULER_MS);
    },
    async joinAndWait(userId) {
      const answered = new Promise((resolve) => waiting.set(userId, resolve));
      await redis.zadd(QUEUE, 'NX', Date.now(), userId);
      await answered;
    },
    standing: () => redis.zcard(QUEUE),
    rows: async () => orderly(await countRows(pool, table)),
    async stop() {
      clearInterval(timer);
      await ticking;
      waiting.clear();
    },
    async close() {
      redis.disconnect();
      await pool.end();
    },
  };
}

const AT_ONCE = 5_000;

/** Not all at once: more than 10,000 calls in a queue are refused. */
export async function inParts(count, call) {
  for (let first = 0; first < count; first += AT_ONCE) {
    const size = Math.min(AT_ONCE, count - first);
    await Promise.all(Array.from({ length: size }, (_, i) => call(`user-${first + i}`)));
  }
}

/** A line of so many is admitted without a pause. */
export async function admitRound(line, count, parts) {
  await line.prepare(count);
  await inParts(count, line.join);
  const cpu = await measureCpu(parts);
  const startedAt = performance.now();
  await line.admitAll(count);
  const perSecond = (1_000 * count) / (performance.now() - startedAt);
  const figures = await cpu(count);
  const rows = await line.rows();
  return { perSecond, ...figures, fault: rows === count ? null : `${rows} rows for ${count} in line` };
}

/** How many rows there are, if no number and no user is among them twice. */
function orderly({ rows, serials, users }) {
  return rows === serials && rows === users ? rows : Number.NaN;
}
