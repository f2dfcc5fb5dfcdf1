// What a larger machine would do, from the CPU of one issue on this one: an estimate, and said to be one.
import { markdownTable, micros, whole } from './table.js';

const CORES = 16;

/**
 * The most that fits on so many cores, if an issue takes each part what it takes here. Redis runs its scripts on one core; the others may have the rest.
 */
export function estimate({ nodeMicros, redisMicros, databaseMicros }, cores) {
  const perSecond = Math.min(1e6 / redisMicros, (cores * 1e6) / (nodeMicros + redisMicros + databaseMicros));
  const [node, redis, database] = [nodeMicros, redisMicros, databaseMicros].map((each) => (perSecond * each) / 1e6);
  return { perSecond, isRedisFull: perSecond === 1e6 / redisMicros, cores: { node, redis, database } };
}

/** From the sections `steady` and `processes`; null where the CPU was not measured. */
export function estimateMarkdown({ steady, processes }) {
  const one = steady?.levels.find(({ inFlight }) => inFlight === 1_024)?.contestants[0];
  const two = processes?.summary.find(({ name, count }) => name === one?.name && count === 2);
  const rows = [
    ['one process', one],
    ['two processes', two],
  ].flatMap(([what, figures]) => (figures?.databaseMicros === undefined ? [] : [rowOf(what, figures)]));
  if (rows.length === 0) return null;
  return [
    `## On ${CORES} cores: an estimate`,
    `Nothing here was measured on such a machine. It is arithmetic from the CPU of an issue at 1,024 in flight on this one: Redis runs its scripts on one core, so that one second divided by its CPU of an issue is the most there can be; all parts together have ${CORES} cores. Times the rate, the CPU of each part is the number of cores that it fills.`,
    markdownTable(['measured with', 'Node', 'Redis', 'database', 'issues/s at most', 'cores of each', 'full is'], rows),
    'It takes for granted that an issue costs there what it costs here. It does not know how far several connections of PostgreSQL get on one index and one write-ahead log, how much smaller the batches of more processes are, and what a network between the parts costs.',
  ].join('\n\n');
}

function rowOf(what, figures) {
  const { perSecond, isRedisFull, cores } = estimate(figures, CORES);
  const { nodeMicros, redisMicros, databaseMicros } = figures;
  const filled = [cores.node, cores.redis, cores.database].map((count) => count.toFixed(1)).join(' + ');
  const rate = `${whole(perSecond)} (1 s ÷ ${isRedisFull ? micros(redisMicros) : `all CPU × ${CORES}`})`;
  const costs = [nodeMicros, redisMicros, databaseMicros].map(micros);
  return [what, ...costs, rate, filled, isRedisFull ? 'Redis' : 'the machine'];
}
