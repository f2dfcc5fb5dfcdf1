// Where the time of an issue goes in this process, and what Redis is asked: the profile that explains the figures.
import { Session } from 'node:inspector/promises';
import { CouponIssuer } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import { Redis } from 'ioredis';
import { connectedPool, emptyTable } from '../database.js';
import { closedLoop, watchRedis } from '../support-rounds.js';
import { markdownTable, micros, terminalTable, whole } from '../table.js';

export const name = 'profile';
export const title = 'Where the time goes';

const IN_FLIGHT = 1_024;
const TABLE = 'bench_profile';
/** From here on the latency monitor of Redis takes notice. */
const SLOW_MS = 3;
/** By the address of the file; what has none is what a file called of the engine. The first that fits. */
const PARTS = [
  ['this library', /\/dist\//],
  ['ioredis', /\/(ioredis|redis-parser|standard-as-callback|@ioredis)\//],
  ['pg', /\/(pg|pg-[a-z]+|postgres-[a-z]+)\//],
  ['sockets and timers of Node', /^node:/],
  ['the load itself', /\/bench\//],
];
const GARBAGE = 'garbage collection';
const ENGINE = 'promises, and other work of the engine';

export async function run({ redisPort, postgresUrl, databasePid, quick, print }) {
  const ms = quick ? 1_000 : 5_000;
  print(`  ${whole(ms / 1000)} s of each, ${whole(IN_FLIGHT)} in flight`);
  const pool = await connectedPool(postgresUrl, 10);
  try {
    await emptyTable(pool, TABLE);
    const persistence = new PostgresPersistence(pool, { table: TABLE });
    const ways = [];
    for (const [name, options] of [
      ['Redis alone', {}],
      ['committed in PostgreSQL', { persistence }],
    ]) {
      ways.push({ name, ...(await profiled({ redisPort, databasePid, options, ms })) });
    }
    return { quick, inFlight: IN_FLIGHT, seconds: ms / 1000, ways, wrong: [] };
  } finally {
    await pool.end();
  }
}

async function profiled({ redisPort, databasePid, options, ms }) {
  const redis = new Redis(redisPort, '127.0.0.1');
  const watch = watchRedis(redisPort);
  const session = new Session();
  session.connect();
  try {
    await redis.flushall();
    const issuer = new CouponIssuer({ redis, ...options });
    const campaignId = options.persistence ? 'profile-saved' : 'profile';
    await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 1e9 } }, { skipRowCheck: true });
    let users = 0;
    const call = async () =>
      (await issuer.campaign(campaignId).issue({ userId: `user-${++users}` })).status === 'issued';
    const load = {
      call,
      finish: () => issuer.idle(),
      inFlight: IN_FLIGHT,
      parts: { redis: watch, databasePid: options.persistence && databasePid },
    };
    await closedLoop({ ...load, ms: ms / 2 });
    await redis.config('RESETSTAT');
    await redis.config('SET', 'latency-monitor-threshold', SLOW_MS);
    await redis.latency('RESET');
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    const round = await closedLoop({ ...load, ms });
    const { profile } = await session.post('Profiler.stop');
    const commands = await commandsOf(watch.client, round.calls);
    const slow = await slowOf(watch.client);
    await issuer.close();
    const { calls, nodeMicros, redisMicros, databaseMicros } = round;
    return { calls, nodeMicros, redisMicros, databaseMicros, commands, slow, ...partsOf(profile, calls) };
  } finally {
    session.disconnect();
    watch.close();
    redis.disconnect();
  }
}

/** µs an issue, by whose code ran; and the share of the time in which nothing did. */
function partsOf({ nodes, samples, timeDeltas }, calls) {
  const partOf = new Map();
  // From the root on: what is the engine's own belongs to whose code called it.
  const give = (node, callers) => {
    const part = nameOf(node.callFrame) ?? callers;
    partOf.set(node.id, part);
    for (const id of node.children ?? []) give(byId.get(id), part);
  };
  const byId = new Map(nodes.map((node) => [node.id, node]));
  give(nodes[0], ENGINE);
  const took = new Map();
  samples.forEach((id, i) => {
    const part = partOf.get(id);
    took.set(part, (took.get(part) ?? 0) + timeDeltas[i]);
  });
  const all = [...took.values()].reduce((sum, value) => sum + value, 0);
  const idle = (took.get('idle') ?? 0) / all;
  took.delete('idle');
  const parts = [...took].sort(([, a], [, b]) => b - a).map(([part, value]) => ({ part, micros: value / calls }));
  return { idle, parts };
}

function nameOf({ functionName, url }) {
  if (functionName === '(idle)') return 'idle';
  if (functionName === '(garbage collector)') return GARBAGE;
  return PARTS.find(([, pattern]) => pattern.test(url))?.[0] ?? null;
}

/** What the scripts call within Redis, µs an issue. EVALSHA is all of it, what Lua does by itself included. */
async function commandsOf(client, calls) {
  const stats = await client.info('commandstats');
  return [...stats.matchAll(/cmdstat_([a-z]+):calls=(\d+),usec=(\d+)/g)]
    .map(([, command, count, usec]) => ({ command, calls: Number(count), micros: Number(usec) / calls }))
    .filter(({ micros }) => micros >= 0.05)
    .sort((a, b) => b.micros - a.micros);
}

/** What kept Redis from answering for longer than the threshold of its latency monitor, and for how long at worst. */
async function slowOf(client) {
  const latest = await client.latency('LATEST');
  return latest.map(([event, , , worstMs]) => ({ event, worstMs }));
}

const cpuWords = ({ nodeMicros, redisMicros, databaseMicros }) =>
  `CPU of an issue: Node ${micros(nodeMicros)}, Redis ${micros(redisMicros)}${databaseMicros ? `, PostgreSQL ${micros(databaseMicros)}` : ''}`;
const slowIn = ({ slow }) =>
  slow.length === 0
    ? `nothing kept it busy for ${SLOW_MS} ms or more`
    : `longest at a time: ${slow.map(({ event, worstMs }) => `${event} ${worstMs} ms`).join(', ')}`;
const rowsOf = ({ parts }) => parts.map(({ part, micros: value }) => [part, micros(value), share(value, parts)]);
const share = (value, parts) =>
  `${((100 * value) / parts.reduce((sum, one) => sum + one.micros, 0)).toFixed(0)} % of the busy time`;
const commandsIn = ({ commands }) =>
  commands.map(({ command, micros: value }) => `${command} ${micros(value)}`).join(', ');

export function lines({ ways }) {
  return ways.flatMap((way) => [
    `  ${way.name}: ${cpuWords(way)}, Node idle ${(100 * way.idle).toFixed(0)} %`,
    ...terminalTable(['', 'an issue', ''], rowsOf(way)),
    `  in Redis: ${commandsIn(way)}; ${slowIn(way)}`,
  ]);
}

export function markdown({ ways, inFlight, seconds }) {
  const intro = `This process under the sampling profiler for ${seconds} s at ${whole(inFlight)} in flight, which slows it down: the shares say more than the figures. What Redis spends is from its COMMANDSTATS; EVALSHA is all of a script, the others are within it.`;
  const parts = ways.map((way) =>
    [
      `### ${way.name[0].toUpperCase()}${way.name.slice(1)}`,
      `${cpuWords(way)}; Node waited ${(100 * way.idle).toFixed(0)} % of the time.`,
      markdownTable(['', 'an issue', ''], rowsOf(way)),
      `In Redis: ${commandsIn(way)}; by its latency monitor, ${slowIn(way)}.`,
    ].join('\n\n'),
  );
  return [intro, ...parts].join('\n\n');
}
