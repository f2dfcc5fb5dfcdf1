// Today's build beside release 0.1, in the same rounds: what a coupon costs. Today's build runs once more as another contestant: how far the two lie apart
// is what a difference has to exceed.
import { contestantOf, TODAY, withoutDatabase } from '../contestants/coupon-issuer.js';
import { release01 } from '../contestants/coupon-issuer-0.1.js';
import { campaignNames, steadyRound } from '../load.js';
import { admitRound, waitingRoom } from '../support-queues.js';
import {
  alternate,
  atLeast,
  atMost,
  exceeds,
  inTimes,
  medianOf,
  ratioOf,
  spreadOf,
  watchRedis,
} from '../support-rounds.js';
import { settleRound } from '../support-settling.js';
import { CPU_HEAD, cpuCells, markdownTable, right, terminalTable, whole } from '../table.js';

export const name = 'release';
export const title = 'Against release 0.1';

const CAMPAIGNS = 1_000;
const COMMITTED = 'committed in PostgreSQL, 1,024 in flight';
const COMMITTED_FEWER = 'committed in PostgreSQL, 128 in flight';
const IN_REDIS = 'reserved and confirmed in Redis, 1,024 in flight';
const THOUSAND = '1,000 campaigns, 1,024 in flight';
const ADMITTED = 'admitted from the waiting room';
const SETTLED = 'settled after write-behind';
/** One round of each, of a build. */
const WORK = {
  [COMMITTED]: committed({ inFlight: 1_024 }),
  [COMMITTED_FEWER]: committed({ inFlight: 128 }),
  [IN_REDIS]: ({ databasePid: _, ...ground }, build, { ms }) =>
    steadyRound(withoutDatabase(build), { ...ground, inFlight: 1_024 }, { ms }),
  [THOUSAND]: committed({ inFlight: 1_024, campaigns: CAMPAIGNS }),
  [ADMITTED]: admitted,
  [SETTLED]: settled,
};

export async function run(ground) {
  const { quick, print } = ground;
  const rounds = quick ? 1 : 7;
  const size = quick ? { ms: 150, count: 2_000 } : { ms: 800, count: 20_000 };
  const release = await release01();
  if (release.missing) print(`  0.1 is not compared: ${release.missing}`);
  const again = { ...TODAY, name: `${TODAY.name}, once more` };
  const builds = [TODAY, again, ...(release.missing ? [] : [release])];
  const work = [];
  for (const [what, round] of Object.entries(WORK)) {
    print(`  ${what}`);
    const measure = async (build) => withFront(await round(ground, build, size));
    for (const build of builds) await measure(build);
    const measured = await alternate(builds, rounds, measure);
    work.push({
      what,
      builds: builds.map(({ name }, i) => summaryOf(name, measured[i])),
      differences: against(measured),
    });
  }
  const wrong = work.flatMap(({ what, builds }) =>
    builds.flatMap(({ name, fault }) => (fault ? [`${name}, ${what}: ${fault}`] : [])),
  );
  const missing = release.missing ?? null;
  return { quick, rounds, ...size, missing, work, aims: missing ? [] : aimsOf(work), wrong };
}

function committed({ inFlight, campaigns }) {
  return (ground, build, { ms }) => steadyRound(contestantOf(build), { ...ground, inFlight }, { ms, campaigns });
}

async function admitted(ground, build, { count }) {
  const line = await waitingRoom(ground, build);
  return withParts(ground, (parts) => admitRound(line, count, parts)).finally(() => line.close());
}

function settled(ground, build, { count }) {
  const [campaignId] = campaignNames();
  return withParts(ground, (parts) => settleRound(ground, { build, campaignId, count, parts }));
}

async function withParts({ redisPort, databasePid }, work) {
  const redis = watchRedis(redisPort);
  return work({ redis, databasePid }).finally(() => redis.close());
}

/** What a database cannot make cheaper or dearer. */
const withFront = (round) => ({ ...round, frontMicros: round.nodeMicros + round.redisMicros });

function summaryOf(name, rounds) {
  return { name, ...medianOf(rounds), fault: rounds.find(({ fault }) => fault)?.fault ?? null, rounds };
}

const FIGURES = ['perSecond', 'nodeMicros', 'redisMicros', 'databaseMicros', 'cpuMicros', 'frontMicros'];

/** Of each figure: how many times that of 0.1 it is, and how far two rounds of today's build lie apart. */
function against([today, again, released]) {
  const told = FIGURES.filter((figure) => today.every((round) => round[figure] !== undefined));
  const entries = told.map((figure) => {
    const spread = spreadOf(today, again, figure);
    return [figure, { ratio: released ? ratioOf(today, released, figure) : null, spread }];
  });
  return Object.fromEntries(entries);
}

function aimsOf(work) {
  const of = (what) => work.find((one) => one.what === what);
  const ratio = (what, figure) => of(what).differences[figure]?.ratio.median ?? Number.NaN;
  const [, , oneOf01] = of(COMMITTED).builds;
  const [thousand] = of(THOUSAND).builds;
  const cpu = 'CPU of Node, Redis and PostgreSQL against 0.1';
  return [
    atMost(`${cpu}, ${COMMITTED}`, 0.7, ratio(COMMITTED, 'cpuMicros'), inTimes),
    atLeast(`throughput against 0.1, ${COMMITTED}`, 1.5, ratio(COMMITTED, 'perSecond'), inTimes),
    atLeast(`throughput against 0.1, ${COMMITTED_FEWER}`, 1.3, ratio(COMMITTED_FEWER, 'perSecond'), inTimes),
    atMost(`CPU of Redis against 0.1, ${IN_REDIS}`, 0.75, ratio(IN_REDIS, 'redisMicros'), inTimes),
    atMost(`CPU of Node and Redis against 0.1, ${THOUSAND}`, 0.25, ratio(THOUSAND, 'frontMicros'), inTimes),
    atLeast(
      `throughput against one campaign of 0.1, ${THOUSAND}`,
      0.5,
      thousand.perSecond / oneOf01.perSecond,
      inTimes,
    ),
    atMost(`${cpu}, ${ADMITTED}`, 0.7, ratio(ADMITTED, 'cpuMicros'), inTimes),
    atMost(`${cpu}, ${SETTLED}`, 0.7, ratio(SETTLED, 'cpuMicros'), inTimes),
  ];
}

const HEAD = ['a second', ...CPU_HEAD, ''];
const DIFFERENCE_HEAD = ['times 0.1', 'a second', 'Node', 'Redis', 'database', 'CPU in all'];
const cellsOf = (one) => [one.name, whole(one.perSecond), ...cpuCells(one), right(one)];

function differenceCells({ what, differences }) {
  return [what, ...FIGURES.slice(0, 5).map((figure) => differenceIn(differences[figure]))];
}

function differenceIn(difference) {
  if (!difference) return '';
  const { ratio, spread } = difference;
  const apart = `A/A ${inTimes(spread)}`;
  if (!ratio) return `not compared, ${apart}`;
  return `${inTimes(ratio.median)}, ${apart}${exceeds(ratio.median, spread) ? '' : ': alike'}`;
}

const tablesOf = ({ work }, table) => [
  ...work.map(({ what, builds }) => table([what, ...HEAD], builds.map(cellsOf))),
  table(DIFFERENCE_HEAD, work.map(differenceCells)),
];

export function lines(result) {
  return tablesOf(result, terminalTable).flatMap((table) => [...table, '']);
}

export function markdown(result) {
  const { rounds, ms, count, missing } = result;
  return [
    `Release 0.1, built from this repository, in turn with today's build: ${rounds} rounds of ${ms / 1000} s, or of ${whole(count)} coupons admitted or settled. CPU is that of one coupon, ours with the load itself, the database with all its processes. Today's build runs twice in each round: A/A is within how much these two lie apart in three of four rounds, and a ratio within that is alike. 0.1 could not redeem or revoke.`,
    ...(missing ? [`0.1 was not compared: ${missing}.`] : []),
    ...tablesOf(result, markdownTable),
  ].join('\n\n');
}
