// One process against two and four, each a child of its own with its own connections: the same callers, shared out.
import { fork } from 'node:child_process';
import { couponIssuer, luaGate } from '../contestants/index.js';
import { campaignNames, faultOf, PLENTY, withOpen } from '../load.js';
import { eachOf, measureCpu } from '../support-cpu.js';
import { alternate, medianOf, ratioOf } from '../support-rounds.js';
import { CPU_HEAD, cpuCells, inMs, markdownTable, terminalTable, times, title as titleOf, whole } from '../table.js';

export const name = 'processes';
export const title = 'One process, two and four';

const CHILD = new URL('../process.js', import.meta.url);
const CONTESTANTS = { couponIssuer, luaGate };
const COUNTS = [1, 2, 4];
const IN_FLIGHT = 1_024;
/** Connections of each process of the way that takes one for each row. */
const POOL_SIZES = [4, 8, 16];

export async function run(ground) {
  const { quick, print } = ground;
  const rounds = quick ? 1 : 3;
  const ms = quick ? 200 : 1_500;
  const ways = [];
  for (const count of COUNTS) {
    ways.push({ key: 'couponIssuer', count, poolSize: null });
    ways.push({ key: 'luaGate', count, poolSize: await bestPoolSize(ground, count, print) });
  }
  const measured = await alternate(ways, rounds, (way) => round(way, ground, ms));
  const summary = ways.map(({ key, count, poolSize }, i) => ({
    name: CONTESTANTS[key].name,
    count,
    poolSize,
    ...medianOf(measured[i]),
    // Ours in as many processes is the one before it.
    ratio: i % 2 === 0 ? null : ratioOf(measured[i - 1], measured[i], 'perSecond'),
    overOne: count === 1 ? null : ratioOf(measured[i], measured[i % 2], 'perSecond'),
    fault: measured[i].find(({ fault }) => fault)?.fault ?? null,
    rounds: measured[i],
  }));
  const wrong = summary.flatMap(({ name, count, fault }) => (fault ? [`${name}, ${count} processes: ${fault}`] : []));
  return { quick, rounds, roundMs: ms, inFlight: IN_FLIGHT, summary, wrong };
}

async function bestPoolSize(ground, count, print) {
  if (ground.quick) return 8;
  const tried = [];
  for (const poolSize of POOL_SIZES) {
    const { perSecond } = await round({ key: 'luaGate', count, poolSize }, ground, 400);
    tried.push({ poolSize, perSecond });
  }
  const best = tried.reduce((best, one) => (one.perSecond > best.perSecond ? one : best)).poolSize;
  const figures = tried.map(({ poolSize, perSecond }) => `${poolSize}: ${whole(perSecond)}`).join('  ');
  print(`  ${luaGate.name}, ${count} × , issues/s by pool size of each  ${figures}  → ${best}`);
  return best;
}

/** This process opens the campaign and judges; only the children ask. */
function round({ key, count, poolSize }, { quick, print, ...ground }, ms) {
  return withOpen(CONTESTANTS[key], { ...ground, poolSize: 1 }, async (opened, redis) => {
    const [campaignId] = campaignNames();
    await opened.prepare([campaignId]);
    const inFlight = IN_FLIGHT / count;
    const task = { key, campaignId, ms, ground: { ...ground, poolSize, inFlight, total: PLENTY } };
    const children = await Promise.all(Array.from({ length: count }, (_, n) => startChild({ ...task, n })));
    const cpu = await measureCpu({ redis, databasePid: ground.databasePid });
    const startedAt = performance.now();
    const figures = await Promise.all(children.map((child) => child.run()));
    const seconds = (performance.now() - startedAt) / 1000;
    const calls = figures.reduce((sum, { calls }) => sum + calls, 0);
    // This process only waits: the load is in the children.
    const { redisMicros, databaseMicros = null } = await cpu(calls);
    const nodeMicros = figures.reduce((sum, one) => sum + one.nodeMicros * one.calls, 0) / calls;
    const given = figures.reduce((sum, { good }) => sum + good, 0);
    const error = figures.find(({ error }) => error)?.error;
    // Of the slowest process: the quantiles of all would need every single time.
    const [p50, p95, p99] = ['p50', 'p95', 'p99'].map((name) => Math.max(...figures.map((one) => one[name])));
    const fault = error ?? (await faultOf(opened, { given, expected: calls }));
    return {
      perSecond: calls / seconds,
      p50,
      p95,
      p99,
      ...eachOf({ nodeMicros, redisMicros, databaseMicros }, 1),
      fault,
    };
  });
}

/** Connected and waiting: `run()` starts the load and answers its figures. */
async function startChild(task) {
  const child = fork(CHILD, { stdio: 'inherit' });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const message = () =>
    new Promise((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', (code) => reject(new Error(`a process of the load exited with ${code}`)));
    });
  child.send(task);
  await message();
  return {
    async run() {
      child.send('run');
      const figures = await message();
      await exited;
      return figures;
    },
  };
}

const HEAD = ['issues/s', 'p50', 'p95', 'p99', ...CPU_HEAD, 'ours is', 'over one', ''];

function cellsOf({ count, perSecond, p50, p95, p99, ratio, overOne, fault, ...contestant }) {
  return [
    `${count} × ${titleOf(contestant)}`,
    whole(perSecond),
    inMs(p50),
    inMs(p95),
    inMs(p99),
    ...cpuCells(contestant),
    ratio ? times(ratio) : '',
    overOne ? times(overOne) : '',
    fault ? `WRONG: ${fault}` : 'right',
  ];
}

export function lines({ inFlight, summary }) {
  return terminalTable([`${whole(inFlight)} in flight in all`, ...HEAD], summary.map(cellsOf));
}

export function markdown({ inFlight, summary }) {
  return [
    `${whole(inFlight)} callers, in one process or shared out to two or four on the same cores. More processes gather smaller batches; the times are those of the slowest process.`,
    markdownTable(['', ...HEAD], summary.map(cellsOf)),
  ].join('\n\n');
}
