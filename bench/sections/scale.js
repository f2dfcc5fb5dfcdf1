// Whether an issue costs more where millions were issued before it. Redis alone: what the database pays for a larger index is its own.
import { freemem } from 'node:os';
import { CouponIssuer } from 'coupon-issuer';
import { Redis } from 'ioredis';
import { alternate, atMost, inTimes, medianOf, ratioOf, watchRedis } from '../support-rounds.js';
import { markdownTable, micros, terminalTable, times, whole } from '../table.js';

export const name = 'scale';
export const title = 'Ten million issuances in one campaign';

/** What an issuance takes in Redis, and the hash tables while they grow; measured, with room to spare. */
const BYTES_EACH = 200;
const IN_FLIGHT = 1_024;
/** On a machine that is busy elsewhere the large campaign becomes as large as it can in this time. */
const MAX_FILL_MS = 240_000;
/** The small campaign has to stay small. */
const ISSUES_PER_ROUND = 15_000;

export async function run({ redisPort, quick, print }) {
  const wanted = quick ? 300_000 : 10_000_000;
  const free = process.availableMemory?.() ?? freemem();
  const fits = free > wanted * BYTES_EACH * 1.5 ? wanted : 3_000_000;
  const rounds = quick ? 4 : 15;
  const issuesPerRound = quick ? 2_000 : ISSUES_PER_ROUND;
  const redis = new Redis(redisPort, '127.0.0.1');
  const watch = watchRedis(redisPort);
  // Without persistence, so that a campaign of millions is there in a minute.
  const issuer = new CouponIssuer({ redis, maxBatch: 1_000 });
  const measuring = new CouponIssuer({ redis });
  try {
    await redis.flushall();
    const memoryBefore = await watch.memory();
    const startedAt = performance.now();
    await open(issuer, 'large');
    const progress = (done) => print(`  ${whole(done)} issued in ${seconds(startedAt)}`);
    const large = await fill(issuer, { id: 'large', count: fits, progress });
    const fillSeconds = (performance.now() - startedAt) / 1000;
    const small = sameGrowth(large, quick ? 10_000 : 100_000);
    const bytesEach = ((await watch.memory()) - memoryBefore) / large;

    const wrong = [];
    const issued = { large };
    const sides = ['small', 'large'];
    const round = async (side, n) => {
      // A new one each time, or the small one would soon be none.
      const id = side === 'large' ? side : `small-${n}`;
      if (side === 'small') {
        await open(issuer, id);
        await fill(issuer, { id, count: small });
        issued[id] = small;
      }
      const before = issued[id];
      issued[id] += issuesPerRound;
      const figures = await issueSome(measuring, { id, before, count: issuesPerRound, watch });
      const found = await measuring.campaign(id).inspect();
      if (found.issued !== issued[id] || figures.good !== issuesPerRound) {
        wrong.push(`campaign ${id}: ${found.issued} issued instead of ${issued[id]}`);
      }
      if (side === 'small') await redis.del(await redis.keys(`*:${id}}*`));
      return figures;
    };
    for (const side of sides) await round(side, 'warm');
    const [smalls, larges] = await alternate(sides, rounds, round);
    const time = ratioOf(smalls, larges, 'perSecond');
    const cpu = ratioOf(larges, smalls, 'redisMicros');
    const over = `for an issue after ${whole(large)} in its campaign, against ${whole(small)}`;
    return {
      quick,
      wanted,
      large,
      small,
      rounds,
      issuesPerRound,
      fillSeconds,
      bytesEach,
      sides: { small: medianOf(smalls), large: medianOf(larges) },
      ratios: { time, cpu },
      aims: [
        atMost(`time ${over}`, 1.15, time.median, inTimes),
        atMost(`CPU of Redis ${over}`, 1.15, cpu.median, inTimes),
      ],
      wrong,
    };
  } finally {
    await Promise.all([issuer.close(), measuring.close()]);
    // Millions of keys would be in the way of the next section.
    await redis.flushall();
    redis.disconnect();
    watch.close();
  }
}

/**
 * About `near`, and a power of two below `large`: the hash of a campaign doubles its table now and then and moves its entries over during the next
 * calls, so that two campaigns are comparable at the same distance from a doubling.
 */
function sameGrowth(large, near) {
  return Math.round(large / 2 ** Math.round(Math.log2(large / near)));
}

async function open(issuer, id) {
  await issuer.campaign(id).open({ stock: { kind: 'counted', total: 100_000_000 } });
}

/** How many it came to. */
async function fill(issuer, { id, count, progress }) {
  const endsAt = performance.now() + MAX_FILL_MS;
  let next = 0;
  const caller = async () => {
    while (next < count && performance.now() < endsAt) {
      const n = next++;
      const { status } = await issuer.campaign(id).issue({ userId: userId(n) });
      if (status !== 'issued') throw new Error(`filling: ${status}`);
      if (progress && n > 0 && n % 2_000_000 === 0) progress(n);
    }
  };
  await Promise.all(Array.from({ length: Math.min(2_048, count) }, caller));
  return next;
}

/** A number of calls rather than a time: the small campaign may only grow so far. */
async function issueSome(issuer, { id, before, count, watch }) {
  let next = before;
  const end = before + count;
  const figures = { good: 0 };
  const redisBefore = await watch.cpu();
  const startedAt = performance.now();
  const caller = async () => {
    while (next < end) {
      const { status } = await issuer.campaign(id).issue({ userId: userId(next++) });
      if (status === 'issued') figures.good++;
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  figures.perSecond = count / ((performance.now() - startedAt) / 1000);
  figures.redisMicros = ((await watch.cpu()) - redisBefore) / count;
  return figures;
}

/** Of one length, and spread over the hash as real ids are. */
function userId(n) {
  return `user-${String(n).padStart(8, '0')}`;
}

function seconds(startedAt) {
  return `${((performance.now() - startedAt) / 1000).toFixed(0)} s`;
}

const HEAD = ['issued before', 'issues/s', 'Redis'];

function rowsOf({ sides, small, large }) {
  const row = (count, { perSecond, redisMicros }) => [whole(count), whole(perSecond), micros(redisMicros)];
  return [row(small, sides.small), row(large, sides.large)];
}

export function lines(result) {
  const { ratios, large, wanted, fillSeconds, bytesEach } = result;
  return [
    ...(large < wanted ? [`  ${whole(large)} instead of ${whole(wanted)}: memory or time was short`] : []),
    `  filled in ${fillSeconds.toFixed(0)} s, ${bytesEach.toFixed(0)} bytes an issuance`,
    ...terminalTable(HEAD, rowsOf(result)),
    `  time ${times(ratios.time)}, CPU of Redis ${times(ratios.cpu)}`,
  ];
}

export function markdown(result) {
  const { ratios, large, wanted, bytesEach, rounds, issuesPerRound } = result;
  const short = large < wanted ? ` (${whole(wanted)} were meant; memory or time was short)` : '';
  return [
    `One campaign of ${whole(large)} issuances${short} beside fresh small ones, in turn: ${rounds} times ${whole(issuesPerRound)} issues each, 1,024 in flight, Redis alone. \`Redis\` is its CPU for an issue.`,
    markdownTable(HEAD, rowsOf(result)),
    `Time ${times(ratios.time)}, CPU of Redis ${times(ratios.cpu)}. Redis keeps ${bytesEach.toFixed(0)} bytes for an issuance.`,
  ].join('\n\n');
}
