// The waiting room: how fast people join, how fast they are let through, and how long it takes from joining to the answer, beside the sorted set that a
// scheduler empties once a second.
import { setTimeout as delay } from 'node:timers/promises';
import { sortedSet, waitingRoom } from '../support-queues.js';
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
import { inMs, markdownTable, micros, ratio, right, terminalTable, whole } from '../table.js';

export const name = 'waiting';
export const title = 'The waiting room';

const IN_FLIGHT = 1_024;
const PLENTY = 10_000_000;
const TICK_MS = 20;

export async function run({ redisPort, postgresUrl, quick }) {
  const at = { redisPort, postgresUrl };
  const rounds = quick ? 1 : 3;
  const watch = watchRedis(redisPort);
  const lines = [await waitingRoom(at), await sortedSet({ ...at, tellsPlace: true }), await sortedSet(at)];
  try {
    const joins = await measured(
      lines,
      rounds,
      (line) => joinRound(line, { ms: quick ? 300 : 1_500, watch }),
      'perSecond',
    );
    const pair = lines.slice(0, 2);
    const admits = await measured(pair, rounds, (line) => admitRound(line, quick ? 2_000 : 20_000), 'perSecond');
    const load = quick ? { perSecond: 100, seconds: 2 } : { perSecond: 200, seconds: 5 };
    const answers = await measured(pair, quick ? 1 : 3, (line) => answerRound(line, load), 'p50');
    const wrong = [...joins, ...admits, ...answers].flatMap(({ name, fault }) => (fault ? [`${name}: ${fault}`] : []));
    return { quick, rounds, inFlight: IN_FLIGHT, load, joins, admits, answers, aims: aimsOf(joins, answers), wrong };
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

async function joinRound(line, { ms, watch }) {
  await line.prepare(PLENTY);
  const call = (n) => line.join(`user-${n}`);
  const figures = await closedLoop({ call, inFlight: IN_FLIGHT, ms, cpuOfRedis: watch.cpu });
  const { calls, good, error, perSecond, p50, p95, nodeMicros, redisMicros } = figures;
  const standing = await line.standing();
  const miscounted = good === calls && standing === calls ? null : `${standing} stand in line after ${calls} joined`;
  return { perSecond, p50, p95, nodeMicros, redisMicros, fault: error ?? miscounted };
}

async function admitRound(line, count) {
  await line.prepare(count);
  await Promise.all(Array.from({ length: count }, (_, i) => line.join(`user-${i}`)));
  const startedAt = performance.now();
  await line.admitAll(count);
  const perSecond = (1_000 * count) / (performance.now() - startedAt);
  const rows = await line.rows();
  return { perSecond, fault: rows === count ? null : `${rows} rows for ${count} in line` };
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
const ADMIT_HEAD = ['let through/s', 'ours is', ''];
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
const admitCells = (one) => [one.name, whole(one.perSecond), ratio(one), right(one)];
const answerCells = (one) => [one.name, inMs(one.p50), inMs(one.p95), inMs(one.mean), ratio(one), right(one)];

export function lines({ inFlight, load, joins, admits, answers }) {
  return [
    ...terminalTable([`joining, ${whole(inFlight)} in flight`, ...JOIN_HEAD], joins.map(joinCells)),
    ...terminalTable(['letting through, into PostgreSQL', ...ADMIT_HEAD], admits.map(admitCells)),
    ...terminalTable([`answer, ${whole(load.perSecond)} joining a second`, ...ANSWER_HEAD], answers.map(answerCells)),
  ];
}

export function markdown({ inFlight, load, joins, admits, answers }) {
  return [
    `${whole(inFlight)} callers join, a new user each time. The sorted set keeps a place and no more; the waiting room also keeps the id of the coupon to come, tells the place, refuses who has one, and knows a late copy of a call.`,
    markdownTable(['joining', ...JOIN_HEAD], joins.map(joinCells)),
    'A line that is there already is let through without a pause, every coupon a row in PostgreSQL. The sorted set is served 500 at a time, an INSERT each, on 16 connections.',
    markdownTable(['letting through', ...ADMIT_HEAD], admits.map(admitCells)),
    `${whole(load.perSecond)} users join each second, and each waits for the answer: with the waiting room a worker and \`watch()\`, with the sorted set a scheduler that runs once a second.`,
    markdownTable(['from joining to the answer', ...ANSWER_HEAD], answers.map(answerCells)),
  ].join('\n\n');
}
