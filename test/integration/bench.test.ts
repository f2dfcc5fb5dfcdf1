import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';

const BENCH = new URL('../../bench/bench.js', import.meta.url).pathname;

async function bench(...args: string[]): Promise<{ status: number | null; output: string }> {
  const child = spawn(process.execPath, [BENCH, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [status, out, err] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { status, output: out + err };
}

test('the benchmark tells who sells too many, and that whoever has to be right is', async () => {
  const { status, output } = await bench('--quick', '--only', 'spike,lone');
  expect(output).toMatch(/coupon-issuer .* right$/m);
  expect(output).toMatch(/count, then INSERT, no lock.* WRONG: \d+ given out of \d+$/m);
  expect(output).toMatch(/^A lone call$/m);
  expect({ status, output }).toMatchObject({ status: 0 });
}, 120_000);

test('a section that there is not is refused with the names of those there are', async () => {
  const { status, output } = await bench('--only', 'speed');
  expect(status).not.toBe(0);
  expect(output).toMatch(/--only takes steady, .*: there is no speed/);
});
