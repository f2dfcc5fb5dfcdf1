import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installed } from '../support/actors/installed.js';

/** What is a package of the benchmark alone, so that `npm ci` of the repository does not bring it. */
const ITS_OWN = ['@sesamecare-oss/redlock', 'autocannon', 'bullmq', 'rate-limiter-flexible'];

let dir: string;
beforeAll(() => {
  dir = installed('bench', { without: ITS_OWN });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function bench(...args: string[]): Promise<{ status: number | null; output: string }> {
  const child = spawn(process.execPath, [join(dir, 'bench.js'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [status, out, err] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { status, output: out + err };
}

test('the benchmark tells who sells too many, and that whoever has to be right is', async () => {
  const { status, output } = await bench('--quick', '--only', 'spike,lone');
  expect(output).toMatch(/coupon-issuer .* right$/m);
  expect(output).toMatch(/count, then INSERT, no lock.* WRONG: \d+ given out of \d+$/m);
  expect(output).toMatch(/^A lone call$/m);
  expect(output).toContain(`left out            ${ITS_OWN.join(', ')}: not installed`);
  expect({ status, output }).toMatchObject({ status: 0 });
}, 120_000);

test('a section that there is not is refused with the names of those there are', async () => {
  const { status, output } = await bench('--only', 'speed');
  expect(status).not.toBe(0);
  expect(output).toMatch(/--only takes steady, .*: there is no speed/);
});

test('a run that writes figures is refused while a package is missing', async () => {
  const { status, output } = await bench('--only', 'spike');
  expect(status).not.toBe(0);
  expect(output).toContain(`not installed: ${ITS_OWN.join(', ')}; start it with npm run bench`);
});
