// A healthy campaign beside a sick one in the same process: what it feels of saves that hang.
import { CouponIssuer } from 'coupon-issuer';
import { createTableSql, PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import pg from 'pg';
import { alternate, atMost, closedLoop, inTimes, medianOf, ratioOf, watchRedis } from '../support-rounds.js';
import { CPU_HEAD, cpuCells, inMs, markdownTable, terminalTable, times, whole } from '../table.js';

export const name = 'isolation';
export const title = 'A healthy campaign beside a sick one';

const TABLE = 'bench_isolation';
const [WELL, SICK] = ['bench-well', 'bench-sick'];
const TIMEOUT_MS = 1_000;
const IN_FLIGHT = 32;

export async function run({ redisPort, postgresUrl, databasePid, quick, print }) {
  const rounds = quick ? 2 : 5;
  const ms = quick ? 500 : 2_000;
  print(`  ${rounds} rounds of ${ms} ms, ${IN_FLIGHT} callers a campaign`);
  const redis = new Redis(redisPort, '127.0.0.1');
  const watch = watchRedis(redisPort);
  const parts = { redis: watch, databasePid };
  const pool = new pg.Pool({ connectionString: postgresUrl, max: 4, idleTimeoutMillis: 0 });
  pool.on('error', () => {});
  try {
    await redis.flushall();
    await pool.query(`DROP TABLE IF EXISTS ${TABLE}`);
    await pool.query(createTableSql({ table: TABLE }));
    let users = 0;
    const issuer = await open(redis, new PostgresPersistence(pool, { table: TABLE }));
    const issue = async (campaignId) => (await issuer.campaign(campaignId).issue({ userId: `user-${++users}` })).status;
    const load = () =>
      closedLoop({ call: async () => (await issue(WELL)) === 'issued', inFlight: IN_FLIGHT, ms, parts });
    const round = async (isBeside) => {
      const sick = isBeside ? await fallSick(issue) : null;
      const measured = await load();
      await sick?.stop();
      return measured;
    };
    await load();
    const [alone, beside] = await alternate([false, true], rounds, round);
    const wrong = [...alone, ...beside].flatMap(({ calls, good, error }) =>
      error || good < calls ? [`${name}: ${calls - good} of ${calls} calls were not issued: ${error}`] : [],
    );
    const ratio = { p99: ratioOf(beside, alone, 'p99'), perSecond: ratioOf(beside, alone, 'perSecond') };
    const what = 'p99 of a healthy campaign beside one whose saves hang, against alone';
    const aims = [atMost(what, 3, ratio.p99.median, inTimes)];
    const found = { timeoutMs: TIMEOUT_MS, inFlight: IN_FLIGHT, quick, rounds, roundMs: ms };
    return { ...found, alone: medianOf(alone), beside: medianOf(beside), ratio, aims, wrong };
  } finally {
    watch.close();
    redis.disconnect();
    await pool.end();
  }
}

/** The saves of the sick campaign hang until their time is over, as behind a lock. */
async function open(redis, database) {
  const save = (issuances, { signal }) =>
    issuances.some(({ campaignId }) => campaignId === SICK)
      ? new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      : database.save(issuances, { signal });
  const issuer = new CouponIssuer({ redis, persistence: { save }, timeoutMs: TIMEOUT_MS, leaseMs: 60_000 });
  for (const id of [WELL, SICK])
    await issuer.campaign(id).open({ stock: { kind: 'unlimited' } }, { skipRowCheck: true });
  return issuer;
}

/** Callers of the sick campaign, once it was found out: the first of their saves hang in every place. */
async function fallSick(issue) {
  let stopped = false;
  const caller = async () => {
    while (!stopped) await issue(SICK);
  };
  await issue(SICK);
  const calling = Array.from({ length: IN_FLIGHT }, caller);
  return {
    stop: () => {
      stopped = true;
      return Promise.all(calling);
    },
  };
}

const HEAD = ['', 'issues/s', ...CPU_HEAD, 'p50', 'p95', 'p99'];

function rowsOf({ alone, beside, ratio }) {
  const cells = (what, one) => [
    what,
    whole(one.perSecond),
    ...cpuCells(one),
    inMs(one.p50),
    inMs(one.p95),
    inMs(one.p99),
  ];
  return [
    cells('alone', alone),
    cells('beside a sick one', beside),
    ['beside, over alone', times(ratio.perSecond), ...CPU_HEAD.map(() => ''), '', '', times(ratio.p99)],
  ];
}

export function lines(result) {
  return terminalTable(HEAD, rowsOf(result));
}

export function markdown(result) {
  const { inFlight, timeoutMs } = result;
  const intro = `Two campaigns in one process, with ${inFlight} callers each and \`maxInFlight\` as it is by default. All saves of the one hang until \`timeoutMs\`, ${whole(timeoutMs)} ms here. What is measured is the other one, after the first save that hung.`;
  return [intro, markdownTable(HEAD, rowsOf(result))].join('\n\n');
}
