// Whether an issue costs more where millions were issued before it. Redis alone: what the database pays for a larger index is its own. The hash of a
// campaign doubles its table now and then, and while it does every command on it moves entries over: a large campaign is compared with a small one at
// the same distance from a doubling, and with itself within one.
import { freemem } from 'node:os';
import { CouponIssuer } from 'coupon-issuer';
import { Redis } from 'ioredis';
import { measureCpu } from '../support-cpu.js';
import { alternate, atMost, inTimes, medianOf, ratioOf, watchRedis } from '../support-rounds.js';
import { markdownTable, micros, terminalTable, times, whole } from '../table.js';

export const name = 'scale';
export const title = 'Ten million issuances in one campaign';

/** What an issuance takes in Redis, and the hash tables while they grow; measured, with room to spare. */
const BYTES_EACH = 200;
const BYTES_A_BUCKET = 8;
const IN_FLIGHT = 1_024;
/** On a machine that is busy elsewhere the large campaign grows no longer than this at a time. */
const MAX_FILL_MS = 240_000;

export async function run({ redisPort, quick, print }) {
  const wanted = quick ? 300_000 : 10_000_000;
  const free = process.availableMemory?.() ?? freemem();
  const fits = free > wanted * BYTES_EACH * 1.5 ? wanted : 3_000_000;
  const rounds = quick ? 2 : 9;
  // The small campaign may not come out of its doubling meanwhile, nor into one.
  const size = { issues: quick ? 1_000 : 8_000, times: quick ? 16 : 128 };
  const redis = new Redis(redisPort, '127.0.0.1');
  const watch = watchRedis(redisPort);
  const filling = new CouponIssuer({ redis, maxBatch: 1_000 });
  const measuring = new CouponIssuer({ redis });
  const on = { redis, watch, filling, measuring, wrong: [], issued: { large: 0 }, ...size };
  try {
    await redis.flushall();
    const memoryBefore = await watch.memory();
    const startedAt = performance.now();
    await open(filling, 'large');
    const stages = [];
    for (const stage of stagesOf(fits)) {
      const freedBytes = stage.isSettled ? await endDoubling(on, 'large') : 0;
      on.issued.large = await fill(on, { id: 'large', until: stage.large, endsAt: performance.now() + MAX_FILL_MS });
      if (on.issued.large < stage.large) break;
      const bytesEach = ((await watch.memory()) - memoryBefore) / stage.large;
      print(`  ${whole(stage.large)} issued after ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
      stages.push({ ...stage, bytesEach, freedBytes, ...(await compared(on, stage, rounds)) });
    }
    const { wrong, issues } = on;
    // Half of the old table and more goes at the end of a doubling, or there was none under way.
    const wasWithin = (stages.at(-1)?.freedBytes ?? 0) > (BYTES_A_BUCKET * tableOf(fits)) / 2;
    return { quick, wanted, large: on.issued.large, rounds, issues, stages, wasWithin, aims: aimsOf(stages), wrong };
  } finally {
    await Promise.all([filling.close(), measuring.close()]);
    // Millions of keys would be in the way of the next section.
    await redis.flushall();
    redis.disconnect();
    watch.close();
  }
}

/** The table that is full before there are so many; the next doubling begins there. */
const tableOf = (count) => 2 ** Math.floor(Math.log2(count));

/** A doubling ends before there are a half more entries than at its beginning. */
function stagesOf(count) {
  const table = tableOf(count);
  return [
    { what: 'before a doubling', large: Math.round(0.8 * table), isSettled: false },
    { what: 'within a doubling', large: Math.round(1.1 * table), isSettled: false },
    { what: 'after it', large: count, isSettled: true },
  ];
}

/** The large campaign and fresh small ones in turn; a small one would soon be none. */
async function compared(on, stage, rounds) {
  const small = Math.round(stage.large / on.times);
  const sides = ['small', 'large'];
  const round = async (side, n) => {
    const id = side === 'large' ? side : `small-${stage.large}-${n}`;
    if (side === 'small') {
      await open(on.filling, id);
      on.issued[id] = await fill(on, { id, until: small });
      if (stage.isSettled) await endDoubling(on, id);
    }
    const figures = await issueSome(on, id);
    if (side === 'small') await on.redis.del(await keysOf(on, id));
    return figures;
  };
  for (const side of sides) await round(side, 'warm');
  const [smalls, larges] = await alternate(sides, rounds, round);
  return {
    small,
    sides: { small: medianOf(smalls), large: medianOf(larges) },
    ratios: { time: ratioOf(smalls, larges, 'perSecond'), cpu: ratioOf(larges, smalls, 'redisMicros') },
  };
}

const NOBODY = Array.from({ length: 1_000 }, (_, n) => `nobody-${n}`);
const keysOf = ({ redis }, id) => redis.keys(`*:${id}}*`);

/**
 * Every look-up moves a part of the old table, whether or not the field is there. Returns how much memory went with the old table.
 */
async function endDoubling(on, id) {
  const { redis, watch } = on;
  const before = await watch.memory();
  const hashes = [];
  for (const key of await keysOf(on, id)) if ((await redis.type(key)) === 'hash') hashes.push(key);
  for (const key of hashes) {
    const buckets = tableOf(await redis.hlen(key));
    for (let looked = 0; looked < buckets; looked += NOBODY.length) await redis.hmget(key, ...NOBODY);
  }
  return before - (await watch.memory());
}

async function open(issuer, id) {
  await issuer.campaign(id).open({ stock: { kind: 'counted', total: 100_000_000 } });
}

/** How many it came to. */
async function fill({ filling, issued }, { id, until, endsAt = Number.POSITIVE_INFINITY }) {
  let next = issued[id] ?? 0;
  const caller = async () => {
    while (next < until && performance.now() < endsAt) {
      const { status } = await filling.campaign(id).issue({ userId: userId(next++) });
      if (status !== 'issued') throw new Error(`filling: ${status}`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(2_048, until) }, caller));
  return next;
}

/** A number of calls rather than a time: the small campaign may only grow so far. */
async function issueSome({ measuring, issued, issues, watch, wrong }, id) {
  let next = issued[id];
  issued[id] += issues;
  let good = 0;
  const cpu = await measureCpu({ redis: watch });
  const startedAt = performance.now();
  const caller = async () => {
    while (next < issued[id]) {
      const { status } = await measuring.campaign(id).issue({ userId: userId(next++) });
      if (status === 'issued') good++;
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, issues) }, caller));
  const perSecond = issues / ((performance.now() - startedAt) / 1000);
  const figures = await cpu(issues);
  const found = await measuring.campaign(id).inspect();
  if (found.issued !== issued[id] || good !== issues) {
    wrong.push(`campaign ${id}: ${found.issued} issued instead of ${issued[id]}`);
  }
  return { perSecond, ...figures };
}

/** Of one length, and spread over the hash as real ids are. */
function userId(n) {
  return `user-${String(n).padStart(8, '0')}`;
}

function aimsOf(stages) {
  return stages.slice(1).flatMap(({ what, large, small, ratios: { time, cpu } }) => {
    const over = `for an issue after ${whole(large)} in its campaign, ${what}, against ${whole(small)}`;
    return [
      atMost(`time ${over}`, 1.15, time.median, inTimes),
      atMost(`CPU of Redis ${over}`, 1.15, cpu.median, inTimes),
    ];
  });
}

const HEAD = [
  'issued before',
  '',
  'issues/s',
  'Node',
  'Redis',
  'bytes an issuance',
  'time of an issue',
  'CPU of Redis',
];

function rowsOf({ stages }) {
  return stages.flatMap(({ what, small, large, sides, bytesEach, ratios }) => {
    const row = (count, { perSecond, nodeMicros, redisMicros }, rest) => [
      whole(count),
      what,
      whole(perSecond),
      micros(nodeMicros),
      micros(redisMicros),
      ...rest,
    ];
    return [
      row(small, sides.small, ['', '', '']),
      row(large, sides.large, [whole(bytesEach), times(ratios.time), times(ratios.cpu)]),
    ];
  });
}

/** What a doubling costs at one size, and what size costs away from one. */
function wordsOf({ stages, wasWithin }) {
  const [before, within, after] = stages;
  if (!after) return ['Memory or time was short: not all of it was measured.'];
  if (!wasWithin) return ['No doubling was under way where one was meant to be: the lines do not tell what one costs.'];
  const away = (side) => (before.sides[side].redisMicros + after.sides[side].redisMicros) / 2;
  const [small, large] = ['small', 'large'].map((side) => inTimes(within.sides[side].redisMicros / away(side)));
  const size = inTimes(away('large') / away('small'));
  return [
    `A doubling under way multiplies the CPU of Redis by ${large} in the large campaign and by ${small} in the small one. Away from a doubling, size multiplies it by ${size}.`,
  ];
}

export function lines(result) {
  return [...terminalTable(HEAD, rowsOf(result)), ...wordsOf(result).map((line) => `  ${line}`)];
}

export function markdown(result) {
  const { rounds, issues } = result;
  return [
    `One campaign of ten million beside fresh small ones, in turn: ${rounds} times ${whole(issues)} issues each, 1,024 in flight, Redis alone. The hash of a campaign doubles its table now and then, and while it does every command on it moves entries over. Small and large are compared at the same distance from a doubling; \`after it\`, look-ups ended the doubling before the clock ran. The last two columns say how many times the small one an issue takes.`,
    markdownTable(HEAD, rowsOf(result)),
    ...wordsOf(result),
  ].join('\n\n');
}
