import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { estimate } from '../../bench/estimate.js';
import { cpuOfTree, eachOf } from '../../bench/support-cpu.js';
import { alternate, exceeds, ratioOf, spreadOf } from '../../bench/support-rounds.js';

const proc = mkdtempSync(join(tmpdir(), 'coupon-proc-'));
afterAll(() => rmSync(proc, { recursive: true, force: true }));

interface Process {
  readonly ticks?: readonly [user: number, system: number, endedUser: number, endedSystem: number];
  readonly threads?: number;
  readonly scheduledNs?: number;
  readonly children?: readonly number[];
}

/** As Linux shows it. */
function processIs(pid: number, { ticks = [0, 0, 0, 0], threads = 1, scheduledNs, children = [] }: Process): number {
  const dir = join(proc, String(pid));
  mkdirSync(join(dir, 'task', String(pid)), { recursive: true });
  writeFileSync(join(dir, 'task', String(pid), 'children'), children.map((child) => `${child} `).join(''));
  const before = 'R 1 1 1 0 -1 0 0 0 0 0';
  writeFileSync(join(dir, 'stat'), `${pid} (a (b) c) ${before} ${ticks.join(' ')} 20 0 ${threads} 0 5 0 0\n`);
  if (scheduledNs !== undefined) writeFileSync(join(dir, 'schedstat'), `${scheduledNs} 7 1\n`);
  return pid;
}

test('the CPU of a server is that of all its processes, of children and their children', () => {
  processIs(12, { scheduledNs: 3_000 });
  processIs(11, { scheduledNs: 20_000, children: [12] });
  processIs(13, { scheduledNs: 100_000 });
  const server = processIs(10, { scheduledNs: 1_000_000, children: [11, 13] });
  expect(cpuOfTree(server, proc)).toBe(1_123);
});

test('the CPU of processes that ended stays with the server that waited for them', () => {
  expect(cpuOfTree(processIs(20, { scheduledNs: 5_000, ticks: [9, 9, 3, 4] }), proc)).toBe(70_005);
});

test('the CPU of a process with threads is that of all of them', () => {
  expect(cpuOfTree(processIs(30, { threads: 5, scheduledNs: 5_000, ticks: [6, 2, 0, 0] }), proc)).toBe(80_000);
});

test('where Linux keeps no exact time, its hundredths of a second count', () => {
  expect(cpuOfTree(processIs(40, { ticks: [6, 1, 0, 0] }), proc)).toBe(70_000);
});

test('the CPU of a server that nothing is known of is not told, and neither is a sum with it', () => {
  expect(cpuOfTree(99, proc)).toBeNull();
  expect(eachOf({ nodeMicros: 10, redisMicros: 30, databaseMicros: null }, 10)).toEqual({
    nodeMicros: 1,
    redisMicros: 3,
  });
  expect(eachOf({ nodeMicros: 10, redisMicros: 30 }, 10)).toEqual({ nodeMicros: 1, redisMicros: 3, cpuMicros: 4 });
});

test.runIf(process.platform === 'linux')('the work of a real process that ended is found with its parent', async () => {
  const work = 'while (process.cpuUsage().user < 30_000);';
  const shell = spawn('sh', ['-c', `"${process.execPath}" -e "${work}"; echo ended; read line`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(shell, 'exit');
  await once(shell.stdout, 'data');
  // Of a hundredth of a second that is not over, nothing is told.
  expect(cpuOfTree(shell.pid!)).toBeGreaterThanOrEqual(20_000);
  shell.stdin.end();
  await exited;
});

test('a ratio that today’s build reaches against itself, either way, says nothing', () => {
  const today = [100, 90, 105].map((cpu) => ({ cpu }));
  const again = [100, 99, 100].map((cpu) => ({ cpu }));
  const released = [120, 100, 125].map((cpu) => ({ cpu }));
  const spread = spreadOf(today, again, 'cpu');
  expect(spread).toBeCloseTo(1.1);
  expect(spreadOf(again, today, 'cpu')).toBe(spread);
  expect(ratioOf(today, released, 'cpu').median).toBeCloseTo(0.84);
  expect(exceeds(ratioOf(today, released, 'cpu').median, spread)).toBe(true);
  // One round of eight in which somebody else took the machine is no measure of the others.
  const [disturbed, quiet] = [[2, 1, 1, 1.1, 1, 1, 1, 1], Array.from({ length: 8 }, () => 1)].map((round) =>
    round.map((cpu) => ({ cpu })),
  );
  expect(spreadOf(disturbed!, quiet!, 'cpu')).toBe(1);
  expect([0.95, 1, 1.05].filter((ratio) => exceeds(ratio, spread))).toEqual([]);
});

test('each round begins with another contestant, and the rounds of each stay together', async () => {
  const order: string[] = [];
  const measured = await alternate(['a', 'b', 'c'], 3, async (name, round) => {
    order.push(name);
    return `${name}${round}`;
  });
  expect(order).toEqual(['a', 'b', 'c', 'b', 'c', 'a', 'c', 'a', 'b']);
  expect(measured).toEqual([
    ['a0', 'a1', 'a2'],
    ['b0', 'b1', 'b2'],
    ['c0', 'c1', 'c2'],
  ]);
});

test('a larger machine is full when the one core of Redis is, or when all cores are', () => {
  const redisFull = estimate({ nodeMicros: 4, redisMicros: 5, databaseMicros: 10 }, 16);
  expect(redisFull).toEqual({ perSecond: 200_000, isRedisFull: true, cores: { node: 0.8, redis: 1, database: 2 } });
  const allFull = estimate({ nodeMicros: 60, redisMicros: 5, databaseMicros: 95 }, 16);
  expect(allFull).toEqual({ perSecond: 100_000, isRedisFull: false, cores: { node: 6, redis: 0.5, database: 9.5 } });
});

test('a copy without the history says why release 0.1 is not compared, and nothing fails', async () => {
  const copy = join(proc, 'bench', 'release.js');
  mkdirSync(join(proc, 'bench'));
  copyFileSync(new URL('../../bench/release.js', import.meta.url), copy);
  const { buildRelease } = await import(copy);
  expect(await buildRelease()).toEqual({ missing: expect.stringMatching(/git/) });
});
