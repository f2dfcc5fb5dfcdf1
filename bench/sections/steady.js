// The steady win: every request is a new user who gets a coupon, so that each way pays its full price for each.
import { release01 } from '../contestants/coupon-issuer-0.1.js';
import { bareInsert } from '../contestants/group-commit.js';
import { couponIssuer, FLOORS, luaGate, rowLock, WAYS } from '../contestants/index.js';
import { byName, compare, steadyRound, sweep, wrongOnes } from '../load.js';
import { atLeast, atMost, inTimes } from '../support-rounds.js';
import {
  CPU_HEAD,
  cpuCells,
  inMs,
  markdownTable,
  perIssue,
  ratio,
  right,
  terminalTable,
  title as titleOf,
  whole,
} from '../table.js';

export const name = 'steady';
export const title = 'Every request gets a coupon';

export async function run(ground) {
  const { quick, inFlights, print } = ground;
  const rounds = quick ? 1 : 3;
  const ms = quick ? 200 : 1_000;
  const release = await release01();
  const floorOf01 = release.missing ? null : bareInsert(release);
  const contestants = [...WAYS, ...FLOORS, ...(floorOf01 ? [floorOf01] : [])];
  const levels = [];
  for (const inFlight of inFlights) {
    print(`  ${whole(inFlight)} in flight${quick ? ', pools not swept' : ''}`);
    const slowToo = slowLevels(inFlights, quick).includes(inFlight);
    const all = contestants.filter(({ slow, maxInFlight }) => (!slow || slowToo) && !(maxInFlight < inFlight));
    const at = { ...ground, inFlight };
    const sweeps = {};
    for (const contestant of all.filter(({ database }) => database)) {
      sweeps[contestant.name] = await sweep(contestant, at);
    }
    // The sweep has warmed the others up.
    await steadyRound(couponIssuer, at, { ms });
    const summary = await compare(all, at, {
      rounds,
      // A scheduler that wakes once a second is not seen at all in less.
      measure: (contestant, at) => steadyRound(contestant, at, { ms: Math.max(ms, contestant.sweepMs ?? 0) }),
    });
    levels.push({ inFlight, sweeps, contestants: summary });
  }
  const wrong = levels.flatMap(({ contestants }) => wrongOnes(contestants));
  return { quick, prepared: ground.prepared, rounds, roundMs: ms, levels, aims: aimsOf(levels, floorOf01), wrong };
}

function slowLevels(inFlights, quick) {
  const wanted = (quick ? [128] : [128, 1_024]).filter((count) => inFlights.includes(count));
  return wanted.length > 0 ? wanted : inFlights.slice(0, 1);
}

function aimsOf(levels, floorOf01) {
  return [
    { inFlight: 128, rowLock: 20, p95: 0.1, luaGate: 3, floor: 0.4 },
    { inFlight: 1_024, rowLock: 45, luaGate: 6.5, floor: 0.65 },
  ].flatMap((least) => {
    const level = levels.find(({ inFlight }) => inFlight === least.inFlight);
    if (!level) return [];
    const at = `at ${whole(least.inFlight)} in flight`;
    const ours = byName(level.contestants, couponIssuer);
    const lock = byName(level.contestants, rowLock);
    const gate = byName(level.contestants, luaGate);
    return [
      ...(lock
        ? [atLeast(`committed in PostgreSQL, against the row lock, ${at}`, least.rowLock, lock.ratio.median, inTimes)]
        : []),
      ...(lock && least.p95
        ? [atMost(`p95 against that of the row lock, ${at}`, least.p95, ours.p95 / lock.p95, inTimes)]
        : []),
      atLeast(`against the Lua gate with one INSERT each, ${at}`, least.luaGate, gate.ratio.median, inTimes),
      // A floor that stays: what is saved in the statement makes the one of today faster as well.
      ...(floorOf01
        ? [atLeast(`as a share of the ${floorOf01.name}, ${at}`, least.floor, ratioTo(level, floorOf01), inTimes)]
        : []),
    ];
  });
}

const ratioTo = ({ contestants }, contestant) => byName(contestants, contestant).ratio.median;

/** Below that, what connections take in Redis is seen more than what issues do. */
const ENOUGH = 2_000;

const HEAD = ['issues/s', 'p50', 'p95', 'p99', 'loop late', ...CPU_HEAD, 'statements', 'Redis memory', 'ours is', ''];

function cellsOf(one) {
  const { requests, perSecond, p50, p95, p99, loopP99, statements, redisBytes, redis, floor } = one;
  return [
    titleOf(one),
    whole(perSecond),
    inMs(p50),
    inMs(p95),
    inMs(p99),
    loopP99 === undefined ? '' : inMs(loopP99),
    ...cpuCells(one),
    perIssue(statements),
    redis && !floor && requests > ENOUGH ? `${whole(redisBytes)} B` : '',
    ratio(one),
    right(one),
  ];
}

export function lines({ levels }) {
  return levels.flatMap(({ inFlight, contestants }) => [
    ...terminalTable([`${whole(inFlight)} in flight`, ...HEAD], contestants.map(cellsOf)),
    '',
  ]);
}

export function markdown({ levels, rounds, roundMs }) {
  const tables = levels.map(({ inFlight, contestants }) =>
    markdownTable([`${whole(inFlight)} in flight`, ...HEAD], contestants.map(cellsOf)),
  );
  const sweeps = levels.flatMap(({ sweeps }) =>
    Object.entries(sweeps).map(([name, { inFlight, bySize, best }]) => {
      const figures = Object.entries(bySize).map(([size, perSecond]) => `${size}: ${whole(perSecond)}`);
      return [name, whole(inFlight), figures.join(', '), String(best)];
    }),
  );
  return [
    `Each request is a new user, an answer counts when the row is committed. ${rounds} rounds of ${roundMs / 1000} s each. \`Node\`, \`Redis\` and \`database\` are CPU per issue (Node with the load itself, the database with all its processes), \`loop late\` by how much the loop of this process is late in one of a hundred looks, \`statements\` what the database is sent for one, BEGIN and COMMIT among them. \`ours is\`: how many times the throughput of the line, the median of the rounds and how far they lie apart. The last lines are floors: what nothing on this machine can be faster than.`,
    ...tables,
    '<details><summary>Pool sizes that were tried</summary>',
    markdownTable(['', 'in flight', 'issues/s by pool size', 'best'], sweeps),
    '</details>',
  ].join('\n\n');
}
