import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { own } from '../support/checks/own.js';
import { Database, rowsOf } from '../support/servers/database.js';
import { note, RUNTIME } from '../support/servers/programs.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { Installed } from './installed.js';

const DENO = ['run', '--allow-net', '--allow-env', '--allow-read', '--allow-sys'];

test('the packed library issues, refuses and redeems on a real Redis and PostgreSQL, and its process ends', async () => {
  const installed = await Installed.create();
  const [server, database] = [await own(RedisServer.start()), await own(Database.create())];
  installed.write('package.json', '{ "private": true, "type": "module" }');
  const main = installed.write('main.js', readFileSync(new URL('./runtime-main.js', import.meta.url), 'utf8'));
  const words = basename(RUNTIME) === 'deno' ? DENO : [];
  const env = { ...process.env, REDIS_URL: `redis://127.0.0.1:${server.port}`, DATABASE_URL: database.url };
  const { stdout } = await promisify(execFile)(RUNTIME, [...words, main], { cwd: installed.dir, env });
  installed.remove();
  const { runtime, ...happened } = JSON.parse(stdout) as { runtime: string };
  note(runtime);
  expect(happened).toEqual({ issued: 20, refused: 20, redeemed: ['redeemed', 'already_redeemed'] });
  expect(await rowsOf(database, 'launch')).toHaveLength(20);
});
