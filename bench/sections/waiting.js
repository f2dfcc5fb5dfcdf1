// The waiting room: how fast people join, how fast they are admitted, and how long it takes from joining to the answer, beside the sorted set that a
// scheduler empties once a second.
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { admitRound, inParts, sortedSet, waitingRoom } from '../support-queues.js';
import {
  alternate,
  atLeast,
  atMost,
  closedLoop,
  inTimes,
  medianOf,
  quantiles,
  ratioOf,
  watchRedis,
} from '../support-rounds.js';
import { CPU_HEAD, cpuCells, inMs, markdownTable, micros, ratio, right, terminalTable, whole } from '../table.js';

export const name = 'waiting';
export const title = 'The waiting room';

const IN_FLIGHT = 1_024;
const PLENTY = 10_000_000;
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
const TICK_MS = 20;
/** While they watch, so many moves of so many, with a pause between. */
const MOVES = 20;
const MOVED = 20;
const MOVE_MS = 100;

export async function run({ redisPort, postgresUrl, databasePid, quick }) {
  const at = { redisPort, postgresUrl };
  const rounds = quick ? 1 : 3;
  const watch = watchRedis(redisPort);
  const parts = { redis: watch, databasePid };
  const lines = [await waitingRoom(at), await sortedSet({ ...at, tellsPlace: true }), await sortedSet(at)];
  try {
    const joins = await measured(
      lines,
      rounds,
      (line) => joinRound(line, { ms: quick ? 300 : 1_500, parts }),
      'perSecond',
    );
    const pair = lines.slice(0, 2);
    const admits = await measured(pair, rounds, (line) => admitRound(line, quick ? 2_000 : 20_000, parts), 'perSecond');
    const load = quick ? { perSecond: 100, seconds: 2 } : { perSecond: 200, seconds: 5 };
    const answers = await measured(pair, quick ? 1 : 3, (line) => answerRound(line, load), 'p50');
    const watching = await watchRound(lines[0], quick ? 1_000 : 10_000);
    const wrong = [...joins, ...admits, ...answers, watching].flatMap(({ name, fault }) =>
      fault ? [`${name}: ${fault}`] : [],
    );
    return {
      quick,
      rounds,
      inFlight: IN_FLIGHT,
      load,
      joins,
      admits,
      answers,
      watching,
      aims: aimsOf(joins, answers),
      wrong,
    };
  } finally {
    watch.close();
    for (const line of lines) await line.close();
  }
}

async function measured(lines, rounds, round, compared) {
  const all = await alternate(lines, rounds, round);
  return lines.map(({ name }, i) => ({
    name,
    ...medianOf(all[i]),
    ratio: i === 0 ? null : ratioOf(all[0], all[i], compared),
    fault: all[i].find(({ fault }) => fault)?.fault ?? null,
    rounds: all[i],
  }));
}

async function joinRound(line, { ms, parts }) {
  await line.prepare(PLENTY);
  const call = (n) => line.join(`user-${n}`);
  const figures = await closedLoop({ call, inFlight: IN_FLIGHT, ms, parts: { redis: parts.redis } });
  const { calls, good, error, ...told } = figures;
  const standing = await line.standing();
  const miscounted = good === calls && standing === calls ? null : `${standing} stand in line after ${calls} joined`;
  return { ...told, fault: error ?? miscounted };
}

/** So many join a second, and each waits for the answer. */
async function answerRound(line, { perSecond, seconds }) {
  const count = perSecond * seconds;
  await line.prepare(count);
  line.start();
  const waits = [];
  const startedAt = performance.now();
  for (let n = 0; n < count; ) {
    for (const due = ((performance.now() - startedAt) * perSecond) / 1_000; n < count && n <= due; n++) {
      waits.push(waitOf(line, `user-${n}`));
    }
    await delay(TICK_MS);
  }
  const times = await Promise.all(waits);
  await line.stop();
  const rows = await line.rows();
  return {
    ...quantiles(times),
    mean: times.reduce((a, b) => a + b, 0) / count,
    fault: rows === count ? null : `${rows} rows`,
  };
}

async function waitOf(line, userId) {
  const startedAt = performance.now();
  await line.joinAndWait(userId);
  return performance.now() - startedAt;
}

/** So many watch in this process, while ten times a second some are admitted: what each costs in memory, and all of them together in CPU. */
async function watchRound(line, count) {
  await line.prepare(count);
  await inParts(count, line.join);
  const before = heapNow();
  let told = 0;
  const watchers = Array.from({ length: count }, async (_, i) => {
    let last;
    for await (const change of line.watch(`user-${i}`)) {
      told++;
      last = change.status;
    }
    return last;
  });
  while (told < count) await delay(TICK_MS);
  const bytes = (heapNow() - before) / count;
  const [cpu, startedAt] = [process.cpuUsage(), performance.now()];
  const toldBefore = told;
  for (let i = 0; i < MOVES; i++) {
    await line.admit(MOVED);
    await delay(MOVE_MS);
  }
  const { user, system } = process.cpuUsage(cpu);
  const seconds = (performance.now() - startedAt) / 1_000;
  const figures = { bytes, cpuShare: (user + system) / 1e6 / seconds, toldPerSecond: (told - toldBefore) / seconds };
  await line.admit(count);
  const issued = (await Promise.all(watchers)).filter((last) => last === 'issued').length;
  const fault = issued === count ? null : `${issued} of ${count} watchers were told that they have one`;
  return { name: 'watching', count, ...figures, fault };
}

function heapNow() {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

function aimsOf([, placeTold, bare], [, scheduler]) {
  return [
    atLeast(
      'joins a second, against a sorted set that tells the place (ZADD, ZRANK)',
      2,
      placeTold.ratio.median,
      inTimes,
    ),
    atLeast('joins a second, against a sorted set that tells nothing (ZADD)', 2, bare.ratio.median, inTimes),
    atMost(
      'from joining to the answer at the same rate, against a scheduler of 1 s, median',
      0.2,
      scheduler.ratio.median,
      inTimes,
    ),
  ];
}

const JOIN_HEAD = ['joins/s', 'p50', 'p95', 'Node', 'Redis', 'ours is', ''];
const ADMIT_HEAD = ['admitted/s', ...CPU_HEAD, 'ours is', ''];
const ANSWER_HEAD = ['p50', 'p95', 'mean', 'ours takes', ''];

const joinCells = (one) => {
  const { name, perSecond, p50, p95, nodeMicros, redisMicros } = one;
  return [
    name,
    whole(perSecond),
    inMs(p50),
    inMs(p95),
    micros(nodeMicros),
    micros(redisMicros),
    ratio(one),
    right(one),
  ];
};
const admitCells = (one) => [one.name, whole(one.perSecond), ...cpuCells(one), ratio(one), right(one)];
const answerCells = (one) => [one.name, inMs(one.p50), inMs(one.p95), inMs(one.mean), ratio(one), right(one)];

function watchingWords({ count, bytes, cpuShare, toldPerSecond }) {
  return `${whole(count)} who watch in one process: ${whole(bytes)} bytes each; while ten times a second ${MOVED} are admitted they are told ${whole(toldPerSecond)} changes a second, for ${whole(100 * cpuShare)} % of a core, the admitting included.`;
}

export function lines({ inFlight, load, joins, admits, answers, watching }) {
  return [
    ...terminalTable([`joining, ${whole(inFlight)} in flight`, ...JOIN_HEAD], joins.map(joinCells)),
    ...terminalTable(['admitting, into PostgreSQL', ...ADMIT_HEAD], admits.map(admitCells)),
    ...terminalTable([`answer, ${whole(load.perSecond)} joining a second`, ...ANSWER_HEAD], answers.map(answerCells)),
    `  ${watchingWords(watching)}`,
  ];
}

export function markdown({ inFlight, load, joins, admits, answers, watching }) {
  return [
    `${whole(inFlight)} callers join, a new user each time. The sorted set keeps a place and no more; the waiting room also keeps the id of the coupon to come, tells the place, refuses who has one, and knows a late copy of a call.`,
    markdownTable(['joining', ...JOIN_HEAD], joins.map(joinCells)),
    'A line that is there already is admitted without a pause, every coupon a row in PostgreSQL. The sorted set is served 500 at a time, an INSERT each, on 16 connections.',
    markdownTable(['admitting', ...ADMIT_HEAD], admits.map(admitCells)),
    `${whole(load.perSecond)} users join each second, and each waits for the answer: with the waiting room a worker and \`watch()\`, with the sorted set a scheduler that runs once a second.`,
    markdownTable(['from joining to the answer', ...ANSWER_HEAD], answers.map(answerCells)),
    watchingWords(watching),
  ].join('\n\n');
}
