// The other end of a sale: many coupons are redeemed at once, each by its own order. What a batch by version does beside one statement per coupon.
import { availableParallelism, cpus, getPriority, loadavg } from 'node:os';
import { CouponIssuer } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import { connectedPool, emptyTable, statements, transaction } from '../database.js';
import { alternate, atLeast, atMost, closedLoop, inTimes, median, ratioOf } from '../support-rounds.js';
import { inMs, markdownTable, micros, perIssue, terminalTable, times, whole } from '../table.js';

export const name = 'redeeming';
export const title = 'Redeeming';

const TABLE = 'bench_redeeming';
const CAMPAIGN = 'bench-redeeming';
const IN_FLIGHT = [128, 1_024];
/** A way with one statement per coupon counts by the better of the two. */
const POOL_SIZES = [16, 32];
/** Times the rate of a plain UPDATE, and that of a row lock, by how many are in flight. */
const AIMS = { 128: [4.5, 8], 1024: [8, 15] };
const BY_CODE = 'redeem(), by user and code';
const PLAIN = "UPDATE … WHERE state = 'issued'";
const LOCK = 'SELECT … FOR UPDATE, UPDATE';
const HELD = 500;

export async function run({ redisPort, postgresUrl, databasePid, quick, prepared, print }) {
  const rounds = quick ? 2 : 5;
  const ms = quick ? 700 : 2_000;
  const machine = {
    at: new Date().toISOString().slice(0, 10),
    cpu: `${availableParallelism()} × ${cpus()[0]?.model.trim()}`,
    load: loadavg()[0],
    nice: getPriority(),
  };
  const redis = new Redis(redisPort, '127.0.0.1');
  const pool = await connectedPool(postgresUrl, 10);
  const issuer = new CouponIssuer({
    redis,
    persistence: new PostgresPersistence(pool, { table: TABLE, prepare: prepared }),
  });
  const pools = await Promise.all(POOL_SIZES.map((size) => connectedPool(postgresUrl, size)));
  const ways = [...ours(issuer, pool), ...pools.flatMap((each, i) => perCall(each, POOL_SIZES[i], prepared))];
  const coupons = new Supply(pool, quick ? 150_000 : 400_000);
  const levels = [];
  try {
    for (const inFlight of IN_FLIGHT)
      levels.push(await levelOf({ ways, coupons, inFlight, rounds, ms, databasePid, print }));
    const held = await besideHeldRow({ issuer, pool, coupons, ms: quick ? 1_000 : 5_000 });
    await coupons.count();
    return { quick, ...machine, rounds, roundMs: ms, levels, held, aims: aimsOf(levels, held), wrong: coupons.wrong };
  } finally {
    await issuer.close();
    redis.disconnect();
    await Promise.all([pool, ...pools].map((each) => each.end()));
  }
}

/** Coupons that nobody redeemed yet. They are dealt in no order of the table, and made anew once they are few. */
class Supply {
  wrong = [];
  #told = 0;
  #dealt = 0;
  #all = [];

  constructor(pool, size) {
    this.pool = pool;
    this.size = size;
  }

  next() {
    const coupon = this.#all[this.#dealt++];
    if (!coupon) throw new Error('more coupons were redeemed than a round expects');
    return coupon;
  }

  told() {
    this.#told++;
  }

  async atLeast(count) {
    if (this.#all.length - this.#dealt >= count) return;
    await this.count();
    await emptyTable(this.pool, TABLE);
    await this.pool.query(
      `INSERT INTO ${TABLE} (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch, expires_at)
       SELECT $1, n, 'user-' || n, 1, substr(md5(n::text), 1, 22), upper(substr(md5('code' || n), 1, 13)), now(), '1-aaaaaaaaaaaa', now() + interval '7 days'
       FROM generate_series(1, $2::int) n`,
      [CAMPAIGN, this.size],
    );
    await this.pool.query(`VACUUM ANALYZE ${TABLE}`);
    await this.pool.query('CHECKPOINT');
    const { rows } = await this.pool.query(
      `SELECT serial::int, user_id AS "userId", id, code, 'order-' || serial AS "redemptionId" FROM ${TABLE} ORDER BY md5(id || 'x')`,
    );
    [this.#all, this.#dealt, this.#told] = [rows, 0, 0];
  }

  /** Each coupon that was told redeemed is redeemed by its own order, and no other one is. */
  async count() {
    if (this.#all.length === 0) return;
    const { rows } = await this.pool.query(
      `SELECT count(*) FILTER (WHERE state_by = 'order-' || serial AND state_at IS NOT NULL AND version = 1)::int AS own, count(*)::int AS all
       FROM ${TABLE} WHERE state = 'redeemed'`,
    );
    const [{ own, all }] = rows;
    if (own === this.#told && all === own) return;
    this.wrong.push(`${whole(this.#told)} were told redeemed, ${whole(all)} are, ${whole(own)} by their own order`);
  }
}

function ours(issuer, pool) {
  const campaign = issuer.campaign(CAMPAIGN);
  const isRedeemed = ({ status }) => status === 'redeemed';
  return [
    {
      name: BY_CODE,
      pool,
      redeem: async ({ userId, code, redemptionId }) =>
        isRedeemed(await campaign.redeem({ userId, code, redemptionId })),
    },
    {
      name: 'redeem(), by user and id',
      pool,
      redeem: async ({ userId, id, redemptionId }) => isRedeemed(await campaign.redeem({ userId, id, redemptionId })),
    },
  ];
}

function perCall(pool, size, prepared) {
  const statement = statements(prepared);
  const redeemed = `UPDATE ${TABLE} SET state = 'redeemed', state_at = now(), state_by = $3, version = version + 1 WHERE campaign_id = $1 AND code = $2`;
  const update = statement('redeem', `${redeemed} AND state = 'issued' AND (expires_at IS NULL OR expires_at > now())`);
  const lock = statement(
    'lock',
    `SELECT state, expires_at > now() AS valid FROM ${TABLE} WHERE campaign_id = $1 AND code = $2 FOR UPDATE`,
  );
  const write = statement('write', redeemed);
  return [
    {
      name: PLAIN,
      size,
      pool,
      redeem: async ({ code, redemptionId }) =>
        (await pool.query(update([CAMPAIGN, code, redemptionId]))).rowCount === 1,
    },
    {
      name: LOCK,
      size,
      pool,
      redeem: ({ code, redemptionId }) =>
        transaction(pool, async (client) => {
          const [row] = (await client.query(lock([CAMPAIGN, code]))).rows;
          if (row?.state !== 'issued' || row.valid === false) return false;
          return (await client.query(write([CAMPAIGN, code, redemptionId]))).rowCount === 1;
        }),
    },
  ];
}

async function levelOf({ ways, coupons, inFlight, rounds, ms, databasePid, print }) {
  const round = async (way, nth) => {
    // A round is not interrupted, and needs at most so many.
    await coupons.atLeast(ms * 60);
    const sent = way.pool.sent;
    const call = async () => {
      const isRedeemed = await way.redeem(coupons.next());
      if (isRedeemed) coupons.told();
      return isRedeemed;
    };
    const { calls, good, error, ...figures } = await closedLoop({
      call,
      inFlight,
      ms: nth < 0 ? ms / 4 : ms,
      parts: { databasePid },
    });
    if (error || good !== calls) throw new Error(`${way.name}: ${error ?? `${calls - good} of ${calls} were refused`}`);
    return { ...figures, statements: (way.pool.sent - sent) / calls };
  };
  for (const way of ways) await round(way, -1);
  const measured = await alternate(ways, rounds, round);
  const named = [...new Set(ways.map(({ name }) => name))].map((name) => bestOf(name, ways, measured));
  const [byCode] = named;
  const level = {
    inFlight,
    ways: named.map((way) => ({ ...way, ratio: way.size ? ratioOf(byCode.rounds, way.rounds, 'perSecond') : null })),
  };
  print(`  ${inFlight} in flight: ${named.map(({ name, perSecond }) => `${name} ${whole(perSecond)}/s`).join('; ')}`);
  return level;
}

/** The rounds of a way, at the pool size that was faster in each. */
function bestOf(name, ways, measured) {
  const same = ways.flatMap((way, i) => (way.name === name ? [{ size: way.size ?? null, rounds: measured[i] }] : []));
  const rounds = same[0].rounds.map((_, nth) => {
    const all = same.map(({ size, rounds }) => ({ size, ...rounds[nth] }));
    return all.reduce((best, one) => (one.perSecond > best.perSecond ? one : best));
  });
  const of = (figure) => median(rounds.map((round) => round[figure]));
  const figures = Object.fromEntries(
    Object.keys(rounds[0])
      .filter((figure) => figure !== 'size')
      .map((figure) => [figure, of(figure)]),
  );
  return {
    name,
    size:
      rounds
        .map(({ size }) => size)
        .join(' ')
        .trim() || null,
    ...figures,
    rounds,
  };
}

/** A transaction of the shop holds one row; it and 499 others are redeemed at that moment. */
async function besideHeldRow({ issuer, pool, coupons, ms }) {
  await coupons.atLeast(HELD);
  const all = Array.from({ length: HELD }, () => coupons.next());
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query(`SELECT FROM ${TABLE} WHERE campaign_id = $1 AND code = $2 FOR UPDATE`, [CAMPAIGN, all[250].code]);
  const startedAt = performance.now();
  const released = new Promise((resolve) => setTimeout(resolve, ms)).then(() => client.query('COMMIT'));
  const tookMs = await Promise.all(
    all.map(async ({ userId, code, redemptionId }) => {
      const { status } = await issuer.campaign(CAMPAIGN).redeem({ userId, code, redemptionId });
      if (status === 'redeemed') coupons.told();
      return performance.now() - startedAt;
    }),
  );
  await released;
  client.release();
  const [heldMs] = tookMs.splice(250, 1);
  return { ms, others: tookMs.length, othersMs: Math.max(...tookMs), heldMs };
}

function aimsOf(levels, held) {
  const aims = levels.flatMap(({ inFlight, ways }) => {
    const ratioTo = (name) => ways.find((way) => way.name === name).ratio.median;
    const [plain, lock] = AIMS[inFlight];
    return [
      atLeast(`redeems a second, against one plain UPDATE each, at ${inFlight}`, plain, ratioTo(PLAIN), inTimes),
      atLeast(`redeems a second, against SELECT … FOR UPDATE, at ${inFlight}`, lock, ratioTo(LOCK), inTimes),
    ];
  });
  return [
    ...aims,
    atMost(`${held.others} redeems beside a row that is held ${held.ms / 1000} s`, 1_000, held.othersMs, inMs),
  ];
}

const HEAD = [
  '',
  'in flight',
  'redeems/s',
  'p50',
  'p95',
  'Node',
  'database',
  'CPU in all',
  'statements each',
  'redeem() by code is',
];

function rowsOf({ levels }) {
  return levels.flatMap(({ inFlight, ways }) =>
    ways.map(({ name, perSecond, p50, p95, nodeMicros, databaseMicros, cpuMicros, statements, ratio }) => [
      name,
      inFlight,
      whole(perSecond),
      inMs(p50),
      inMs(p95),
      ...[nodeMicros, databaseMicros, cpuMicros].map(micros),
      perIssue(statements),
      ratio ? times(ratio) : '',
    ]),
  );
}

export function lines(result) {
  const { ms, others, othersMs, heldMs } = result.held;
  return [
    ...terminalTable(HEAD, rowsOf(result)),
    `  one row held ${ms / 1000} s: the ${others} others were answered within ${inMs(othersMs)}, that one after ${inMs(heldMs)}`,
  ];
}

export function markdown(result) {
  const { ms, others, othersMs, heldMs } = result.held;
  return [
    `Different coupons are redeemed, each by an order of its own, in ${result.rounds} rounds of ${result.roundMs / 1000} s in which the ways alternate. A way with one statement per coupon counts by the better of pools of ${POOL_SIZES.join(' and ')} in each round; this library has 10 connections, of which two are busy. After the rounds the rows are counted. Measured on ${result.at} with \`npm run bench -- --only redeeming --page\` on ${result.cpu}, whose load was about ${result.load.toFixed(0)} when it began; the nice value of the run and its servers was ${result.nice}.`,
    markdownTable(HEAD, rowsOf(result)),
    `A transaction of a shop holds one row for ${ms / 1000} s, and ${others} other coupons are redeemed together with it: the others are answered within ${inMs(othersMs)}, and that one after ${inMs(heldMs)}.`,
  ].join('\n\n');
}
