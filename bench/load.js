// Rounds of the contestants that write rows, and what is read off them.
import { alternate, closedLoop, medianOf, ratioOf, watchRedis, whole } from './support-rounds.js';

/** More than any round can give out: every request gets a coupon, so that each one costs its full price. */
export const PLENTY = 10_000_000;

/** Who waits for a lock is not quicker with more connections; who only inserts is, up to a point. */
const POOL_SIZES = { slow: [2, 4, 8, 16, 32], fast: [8, 16, 32, 64] };
const QUICK_POOL_SIZE = 16;

let rounds = 0;

/** New ones each time: a process that knew a campaign of that name before Redis was emptied would refuse it. */
export function campaignNames(count = 1) {
  rounds++;
  return Array.from({ length: count }, (_, i) => `bench-${rounds}-${i}`);
}

/** Opens the contestant for `work` alone: the connections of those whose turn it is not are no burden to the server. */
export async function withOpen(contestant, ground, work) {
  const redis = watchRedis(ground.redisPort);
  const opened = await contestant.open({ total: PLENTY, ...ground });
  try {
    return await work(opened, redis);
  } finally {
    await opened.close();
    redis.close();
  }
}

/**
 * One round of a closed loop: `inFlight` callers for `ms`. `requestOf(n)` says who the n-th request is for: by default a new user each, so that everyone
 * gets a coupon. `fault` is what was wrong when the last one was answered: not exactly those who were told so have a row, or a number twice.
 */
export function steadyRound(contestant, ground, { ms, campaigns = 1, requestOf = newUser, expected = everyone }) {
  return withOpen(contestant, ground, async (opened, redis) => {
    const { perCall = 1 } = opened;
    const campaignIds = campaignNames(campaigns);
    await opened.prepare(campaignIds);
    const memory = await redis.memory();
    const statements = await opened.statements();
    const { calls, good, error, perSecond, ...figures } = await closedLoop({
      call: (n) => opened.issue(requestOf(n, campaignIds)),
      finish: opened.finish,
      inFlight: opened.inFlight ?? ground.inFlight,
      ms,
      perCall,
      parts: { redis, databasePid: ground.databasePid },
    });
    const given = good * perCall;
    return {
      requests: calls * perCall,
      perSecond: perSecond * perCall,
      ...figures,
      statements: ((await opened.statements()) - statements) / (calls * perCall),
      redisBytes: ((await redis.memory()) - memory) / Math.max(1, given),
      fault: error ?? (await faultOf(opened, { given, expected: expected(calls) * perCall })),
    };
  });
}

const newUser = (n, campaignIds) => ({ campaignId: campaignIds[n % campaignIds.length], userId: `user-${n}` });
const everyone = (calls) => calls;

/** Told so, in the table, and each once: all the same number, or something is wrong. */
export async function faultOf(opened, { given, expected }) {
  if (given !== expected) return `${whole(given)} were told that they have one instead of ${whole(expected)}`;
  const { rows, serials, users } = (await opened.count?.()) ?? { rows: given, serials: given, users: given };
  if (rows !== given) return `${whole(rows)} rows after ${whole(given)} coupons`;
  if (serials !== rows) return `${whole(rows - serials)} of ${whole(rows)} numbers given out twice`;
  if (users !== rows) return `${whole(rows - users)} of ${whole(rows)} coupons to users who had one`;
  return (await opened.fault?.(given)) ?? null;
}

const sweeps = new Map();

/**
 * Throughput at each pool size, the best of the passes, and the size that was best. A baseline at another size than its best would make the ratio
 * worthless. Once per contestant and load in a run; a quick one takes the size that suits most.
 */
export async function sweep(contestant, ground) {
  if (ground.quick) return { inFlight: ground.inFlight, bySize: {}, best: QUICK_POOL_SIZE };
  const key = `${contestant.name} ${ground.inFlight}`;
  if (!sweeps.has(key)) sweeps.set(key, await sweepAll(contestant, ground));
  return sweeps.get(key);
}

async function sweepAll(contestant, { inFlight, print, ...ground }) {
  const all = contestant.poolSizes ?? POOL_SIZES[contestant.slow ? 'slow' : 'fast'];
  // More connections than callers are never used.
  const sizes = all.filter((size) => size <= inFlight);
  // Whoever is slow takes as long to answer the last as a fast one takes for a pass.
  const { ms, passes } = contestant.slow ? { ms: contestant.sweepMs ?? 300, passes: 1 } : { ms: 250, passes: 2 };
  const bySize = Object.fromEntries(sizes.map((size) => [size, 0]));
  for (let pass = 0; pass < passes; pass++) {
    for (const poolSize of sizes) {
      const { perSecond } = await steadyRound(contestant, { ...ground, inFlight, poolSize }, { ms });
      bySize[poolSize] = Math.max(bySize[poolSize], perSecond);
    }
  }
  const best = sizes.reduce((best, size) => (bySize[size] > bySize[best] ? size : best));
  const figures = sizes.map((size) => `${size}: ${whole(bySize[size])}`).join('  ');
  print(`  ${contestant.name.padEnd(40)} issues/s by pool size  ${figures}  → ${best}`);
  return { inFlight, bySize, best };
}

/** Where the contestant has a pool, the ground with the size that suits it. */
export async function atItsBest(contestant, ground) {
  if (!contestant.database) return ground;
  const inFlight = Math.min(ground.inFlight, contestant.maxInFlight ?? Number.POSITIVE_INFINITY);
  const { best } = await sweep(contestant, { ...ground, inFlight });
  return { ...ground, poolSize: best };
}

/**
 * Alternating rounds of every contestant, the first of which is ours: medians, and how many times as fast ours is, round by round.
 * `measure(contestant, ground)` is one round.
 */
export async function compare(contestants, ground, { rounds, measure }) {
  const grounds = new Map();
  for (const contestant of contestants) grounds.set(contestant, await atItsBest(contestant, ground));
  const measured = await alternate(contestants, rounds, (contestant) => measure(contestant, grounds.get(contestant)));
  return contestants.map((contestant, i) => ({
    name: contestant.name,
    poolSize: grounds.get(contestant).poolSize ?? null,
    floor: contestant.floor ?? false,
    redis: contestant.redis ?? false,
    flaw: contestant.flaw ?? null,
    ...medianOf(measured[i]),
    // For ours itself there is nothing to compare.
    ratio: i === 0 ? null : ratioOf(measured[0], measured[i], 'perSecond'),
    fault: measured[i].find(({ fault }) => fault)?.fault ?? null,
    rounds: measured[i],
  }));
}

/** Contestants that have to be right and were not. */
export function wrongOnes(summary) {
  return summary.filter(({ flaw, fault }) => fault && !flaw).map(({ name, fault }) => `${name}: ${fault}`);
}

export const byName = (summary, { name }) => summary.find((one) => one.name === name);
