import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('a failed test fails the run, and is counted in its last line', () => {
  const vitest = new URL('../../node_modules/vitest/vitest.mjs', import.meta.url).pathname;
  const args = [vitest, 'run', '--config', 'test/support/failing/vitest.config.ts'];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('0 passed, 1 failed');
  expect(status).toBe(1);
});
