// One call with nothing else going on: what the steps of `issue()` add to the two round trips that nobody can do without.
import { randomBytes } from 'node:crypto';
import { CouponIssuer } from 'coupon-issuer';
import { createTableSql, PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import pg from 'pg';
import { emptyTable } from '../database.js';
import { measureCpu } from '../support-cpu.js';
import { CHECK_AND_DECREMENT } from '../support-gates.js';
import { atMost, inTimes, median, quantiles, watchRedis } from '../support-rounds.js';
import { CPU_HEAD, cpuCells, inMs, markdownTable, ratio, terminalTable } from '../table.js';

export const name = 'lone';
export const title = 'A lone call';

const CAMPAIGN = 'bench-lone';
const TOTAL = 1_000_000;
/** Calls a way, until the engine has compiled what it will. */
const WARM_UP = 300;

export async function run({ redisPort, postgresUrl, databasePid, quick, print }) {
  const rounds = quick ? 2 : 5;
  const calls = quick ? 150 : 500;
  print(`  ${rounds} rounds of ${calls} calls a way, one at a time in turn`);
  const redis = new Redis(redisPort, '127.0.0.1');
  const watch = watchRedis(redisPort);
  // One connection is all that a lone call can use.
  const pool = new pg.Pool({ connectionString: postgresUrl, max: 1, idleTimeoutMillis: 0 });
  pool.on('error', () => {});
  try {
    await redis.flushall();
    const on = { redis, pool };
    const ways = [
      await issuing({ ...on, kind: 'plain', name: 'issue()' }),
      await issuing({ ...on, kind: 'prepared', name: 'issue(), saves prepared once' }),
      await bare({ ...on, kind: 'plain', name: 'a bare script call, then a bare INSERT' }),
      await bare({ ...on, kind: 'prepared', name: 'the same, the INSERT prepared once' }),
    ];
    const measured = ways.map(() => []);
    for (let call = -WARM_UP; call < 0; call++) {
      for (const way of ways) {
        await way.call(call);
        await way.rest?.();
      }
    }
    for (let round = 0; round < rounds; round++) {
      const took = ways.map(() => []);
      for (let call = round * calls; call < (round + 1) * calls; call++) {
        for (const [i, way] of ways.entries()) {
          const startedAt = performance.now();
          await way.call(call);
          took[i].push(performance.now() - startedAt);
          await way.rest?.();
        }
      }
      for (const [i] of ways.entries()) measured[i].push(quantiles(took[i]));
    }
    // By itself, so that what runs belongs to one way: a round of each after the clock.
    const costs = [];
    for (const way of ways)
      costs.push(await costOf(way, { from: rounds * calls, calls }, { redis: watch, databasePid }));
    const made = (rounds + 1) * calls + WARM_UP;
    const wrong = [];
    for (const { name, table } of ways) {
      const { rows } = await pool.query(`SELECT count(*)::int AS made FROM ${table}`);
      if (rows[0].made !== made) wrong.push(`${name}: ${rows[0].made} rows after ${made} calls`);
    }
    // A bare way is compared with issue() on the same kind of statement, two lines above it.
    const summary = ways.map((way, i) => ({
      ...summarise({ ...way, rounds: measured[i], ours: measured[i - 2] }),
      ...costs[i],
    }));
    const [, , plain] = summary;
    const what = 'one lone call, p50, against one bare script call and one bare INSERT';
    const aims = [atMost(what, 1.6, plain.ratio.median, inTimes)];
    return { quick, rounds, callsPerRound: calls, ways: summary, aims, wrong };
  } finally {
    watch.close();
    redis.disconnect();
    await pool.end();
  }
}

async function costOf(way, { from, calls }, parts) {
  const cpu = await measureCpu(parts);
  for (let call = from; call < from + calls; call++) {
    await way.call(call);
    await way.rest?.();
  }
  return cpu(calls);
}

/** An opening looks at the table, so it is there before. */
async function makeTable(pool, table) {
  await pool.query(`DROP TABLE IF EXISTS ${table}`);
  await pool.query(createTableSql({ table }));
}

async function issuing({ redis, pool, kind, name }) {
  const table = `bench_lone_issuer_${kind}`;
  await makeTable(pool, table);
  const persistence = new PostgresPersistence(pool, { table, prepare: kind === 'prepared' });
  await emptyTable(pool, table);
  const issuer = new CouponIssuer({ redis, persistence });
  const campaignId = `${CAMPAIGN}-${kind}`;
  await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: TOTAL } }, { skipRowCheck: true });
  return {
    name,
    table,
    async call(n) {
      const { status } = await issuer.campaign(campaignId).issue({ userId: `user-${n}` });
      if (status !== 'issued') throw new Error(`user-${n} was told ${status}`);
    },
    /** The confirm that follows the answer belongs to no other call. */
    rest: () => issuer.idle(),
  };
}

async function bare({ redis, pool, kind, name }) {
  const table = `bench_lone_bare_${kind}`;
  await makeTable(pool, table);
  const text = `INSERT INTO ${table} (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch)
    VALUES ($1, $2, $3, 1, $4, NULL, now(), '1-aaaaaaaaaaaa')`;
  const statement = kind === 'prepared' ? { name: 'lone', text } : { text };
  const sha1 = await redis.script('LOAD', CHECK_AND_DECREMENT);
  const [stockKey, usersKey] = [`{${CAMPAIGN}}:${kind}`, `{${CAMPAIGN}}:${kind}-users`];
  await redis.set(stockKey, TOTAL);
  const parts = { script: [], insert: [] };
  return {
    name,
    table,
    parts,
    async call(n) {
      const userId = `user-${n}`;
      const startedAt = performance.now();
      const left = await redis.evalsha(sha1, 2, stockKey, usersKey, userId);
      const decidedAt = performance.now();
      const id = randomBytes(16).toString('base64url');
      await pool.query({ ...statement, values: [CAMPAIGN, TOTAL - left, userId, id] });
      parts.script.push(decidedAt - startedAt);
      parts.insert.push(performance.now() - decidedAt);
    },
  };
}

function summarise({ name, parts, rounds, ours }) {
  const of = (quantile) => median(rounds.map((round) => round[quantile]));
  const ratios = (ours ?? []).map((round, i) => round.p50 / rounds[i].p50);
  return {
    name,
    p50: of('p50'),
    p95: of('p95'),
    p99: of('p99'),
    ratio: parts ? { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) } : null,
    ...(parts ? { scriptP50: median(parts.script), insertP50: median(parts.insert) } : {}),
  };
}

const HEAD = ['', 'p50', 'p95', 'p99', ...CPU_HEAD, 'issue() takes'];

function cellsOf(one) {
  return [one.name, inMs(one.p50), inMs(one.p95), inMs(one.p99), ...cpuCells(one), ratio(one)];
}

export function lines({ ways }) {
  return terminalTable(HEAD, ways.map(cellsOf));
}

export function markdown({ ways, rounds, callsPerRound }) {
  const [, , plain] = ways;
  return [
    `One call at a time, the ways in turn call by call, each on the same connections: ${rounds} rounds of ${callsPerRound} calls. The confirm that follows an answer is waited for outside the clock, and within the CPU. A bare way is compared with \`issue()\` on the same kind of statement.`,
    markdownTable(HEAD, ways.map(cellsOf)),
    `Of the bare way ${inMs(plain.scriptP50)} are the script call and ${inMs(plain.insertP50)} the INSERT with its flush.`,
  ].join('\n\n');
}
