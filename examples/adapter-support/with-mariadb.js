// Runs a command on a MariaDB of its own, which it finds under MYSQL_URL: `node with-mariadb.js node --test`. Needs
// the server: `apt-get install --no-install-recommends mariadb-server`.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// Debian keeps the server where only root looks for it.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
const [command, ...args] = process.argv.slice(2);
const server = await startServer();
const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, MYSQL_URL: server.url } });
const [code] = await once(child, 'exit');
await server.stop();
process.exit(code ?? 1);

async function startServer() {
  const dir = mkdtempSync(join(tmpdir(), 'coupon-example-'));
  const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
  const settings = ['--no-defaults', ...asRoot, `--datadir=${join(dir, 'data')}`, `--tmpdir=${dir}`];
  const init = join(dir, 'init.sql');
  const install = spawnSync('mariadb-install-db', [...settings, '--auth-root-authentication-method=normal'], { env });
  if (install.status !== 0) throw install.error ?? new Error(`mariadb-install-db: ${install.stderr}`);
  writeFileSync(init, 'CREATE DATABASE IF NOT EXISTS shop;\n');
  const port = await freePort();
  const network = [
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--socket=${join(dir, 'socket')}`,
    '--skip-name-resolve',
  ];
  const mariadbd = spawn('mariadbd', [...settings, ...network, `--init-file=${init}`], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await new Promise((resolve, reject) => {
    let log = '';
    mariadbd.stderr.on('data', (data) => {
      log += data;
      if (log.includes('ready for connections')) resolve();
    });
    mariadbd.once('error', reject);
    mariadbd.once('exit', (status) => reject(new Error(`mariadbd exited with ${status}: ${log}`)));
  });
  return {
    url: `mysql://root@127.0.0.1:${port}/shop`,
    async stop() {
      const exited = once(mariadbd, 'exit');
      mariadbd.kill();
      await exited;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
