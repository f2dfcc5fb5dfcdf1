// `npm run bench`: this library beside the two common ways, on a Redis and a PostgreSQL of its own, in one run. Every contestant runs at its
// best pool size, rounds alternate so that a slow minute of the machine hits all of them, and every round is checked.
//
// --quick            shorter rounds, for a first look
// --in-flight 128    how many callers at a time; more than one with commas (default 128,1024)
// --prepared         the other ways name their statements, so that PostgreSQL parses and plans them once per connection
// --json FILE        writes every figure
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import pg from 'pg';
import { couponIssuer, groupCommit, luaGate, rowLock } from './contestants.js';
import { medians, runRound } from './load.js';
import { startPostgres, startRedis } from './servers.js';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    'in-flight': { type: 'string', default: '128,1024' },
    prepared: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const inFlights = flags['in-flight'].split(',').map(Number);
if (!inFlights.every((count) => Number.isInteger(count) && count >= 2)) {
  throw new TypeError('--in-flight takes whole numbers from 2 on, with commas');
}
const POOL_SIZES = [2, 4, 8, 16, 32];
const rounds = 3;
const sweepPasses = flags.quick ? 1 : 2;
const sweepMs = flags.quick ? 300 : 600;
const roundMs = flags.quick ? 700 : 2_500;

const print = (line = '') => process.stdout.write(`${line}\n`);
const whole = (number) => Math.round(number).toLocaleString('en');
const inMs = (number) => `${number < 10 ? number.toFixed(1) : Math.round(number)} ms`;

const redisServer = await startRedis();
let postgresServer;
try {
  postgresServer = await startPostgres();
  const { prepared } = flags;
  const results = await bench({ redisPort: redisServer.port, postgresUrl: postgresServer.url, prepared });
  if (flags.json) writeFileSync(flags.json, `${JSON.stringify(results, null, 2)}\n`);
  const wrong = results.levels.flatMap(({ contestants }) => contestants.filter(({ right }) => !right));
  if (wrong.length > 0) process.exitCode = 1;
} finally {
  await Promise.all([redisServer.stop(), postgresServer?.stop()]);
}

async function bench(servers) {
  const probe = new Redis(servers.redisPort, '127.0.0.1');
  const ground = await describeGround(servers, probe);
  for (const [name, value] of Object.entries(ground)) print(`${name.padEnd(19)} ${value}`);
  const levels = [];
  for (const inFlight of inFlights) levels.push(await runLevel({ ...servers, inFlight, probe }));
  probe.disconnect();
  return { ground, quick: flags.quick, prepared: flags.prepared, rounds, roundMs, levels };
}

/** What the figures stand on. Without fsync and synchronous_commit a commit costs nothing and no ratio means anything. */
async function describeGround({ postgresUrl }, probe) {
  const client = new pg.Client(postgresUrl);
  await client.connect();
  const show = async (name) => (await client.query(`SHOW ${name}`)).rows[0][name];
  const ground = {
    cpu: `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    node: process.version,
    redis: /redis_version:(\S+)/.exec(await probe.info('server'))[1],
    postgresql: await show('server_version'),
    fsync: await show('fsync'),
    synchronous_commit: await show('synchronous_commit'),
  };
  await client.end();
  if (ground.fsync !== 'on' || ground.synchronous_commit !== 'on')
    throw new Error('PostgreSQL does not wait for its disk');
  return ground;
}

async function runLevel({ probe, ...servers }) {
  const { inFlight } = servers;
  print(`\n${whole(inFlight)} in flight`);
  const sweeps = { luaGate: await sweep(luaGate, servers), rowLock: await sweep(rowLock, servers) };

  const cpuOfRedis = async () => {
    const info = await probe.info('cpu');
    return Number(/used_cpu_sys:(\S+)/.exec(info)[1]) + Number(/used_cpu_user:(\S+)/.exec(info)[1]);
  };
  const contestants = [
    await couponIssuer(servers),
    await luaGate({ ...servers, poolSize: sweeps.luaGate.best }),
    await rowLock({ ...servers, poolSize: sweeps.rowLock.best }),
    await groupCommit(servers),
  ];
  const [ours] = contestants;
  // The sweep has warmed the others up.
  await runRound(ours, { inFlight, ms: sweepMs });
  const measured = new Map(contestants.map((contestant) => [contestant, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) {
      const load = { inFlight, ms: roundMs, ...(contestant === ours ? { cpuOfRedis } : {}) };
      measured.get(contestant).push(await runRound(contestant, load));
    }
  }
  await Promise.all(contestants.map((contestant) => contestant.close()));

  const summary = contestants.map((contestant) => ({ name: contestant.name, ...medians(measured.get(contestant)) }));
  for (const one of summary) one.ratio = summary[0].perSecond / one.perSecond;
  const poolOf = { [contestants[1].name]: sweeps.luaGate.best, [contestants[2].name]: sweeps.rowLock.best };
  printSummary(summary, poolOf);
  return { inFlight, sweeps, contestants: summary };
}

/** Throughput at each pool size, the best of the passes. A baseline at another size than its best would make the ratio worthless. */
async function sweep(contestantWith, servers) {
  const bySize = Object.fromEntries(POOL_SIZES.map((size) => [size, 0]));
  let name;
  for (const poolSize of Array.from({ length: sweepPasses }, () => POOL_SIZES).flat()) {
    const contestant = await contestantWith({ ...servers, poolSize });
    name = contestant.name;
    const { perSecond, right } = await runRound(contestant, { inFlight: servers.inFlight, ms: sweepMs });
    await contestant.close();
    if (right) bySize[poolSize] = Math.max(bySize[poolSize], perSecond);
  }
  const best = POOL_SIZES.reduce((best, size) => (bySize[size] > bySize[best] ? size : best));
  const figures = POOL_SIZES.map((size) => `${size}: ${whole(bySize[size])}`).join('  ');
  print(`  ${name.padEnd(18)} issues/s by pool size  ${figures}  → ${best}`);
  return { bySize, best };
}

function printSummary(summary, poolOf) {
  print(`  ${''.padEnd(30)} ${'issues/s'.padStart(9)} ${'p50'.padStart(9)} ${'p95'.padStart(9)}   ours is`);
  for (const { name, perSecond, p50, p95, ratio, right } of summary) {
    const title = poolOf[name] ? `${name}, pool of ${poolOf[name]}` : name;
    const times = ratio === 1 ? '' : `${ratio.toFixed(1)} ×`;
    const mark = right ? '' : '  WRONG: rows, serials or users are not the requests';
    print(
      `  ${title.padEnd(30)} ${whole(perSecond).padStart(9)} ${inMs(p50).padStart(9)} ${inMs(p95).padStart(9)} ${times.padStart(9)}${mark}`,
    );
  }
  print(`  Redis CPU per issue: ${summary[0].redisMicros.toFixed(1)} µs`);
}
