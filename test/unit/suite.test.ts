import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { ownPort } from '../support/servers/port.js';

test('a failed test fails the run, and is counted in its last line', () => {
  const vitest = new URL('../../node_modules/vitest/vitest.mjs', import.meta.url).pathname;
  const args = [vitest, 'run', '--config', 'test/support/failing/vitest.config.ts'];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('0 passed, 1 failed');
  expect(status).toBe(1);
});

test('a port is given to one server alone, whoever asks in the same moment, and is free until it starts', async () => {
  const many = () => Promise.all(Array.from({ length: 500 }, ownPort));
  const ports = [...(await many()), ...(await many())];
  expect(new Set(ports).size).toBe(ports.length);
  const server = createServer().listen(ports[0]); // on every address
  await once(server, 'listening');
  server.close();
});
