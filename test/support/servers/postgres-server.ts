import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pause } from '../checks/until.js';
import { ownPort } from './port.js';
import { note, postgresPrograms } from './programs.js';

const USER = 'postgres';
const READY = 'database system is ready to accept connections';
/** What it says while a process of the killed one is still at work. */
const STILL_IN_USE = 'is still in use';
/** While it starts it says much to whoever asks already. */
const LOG_TAIL = 10_000;

/** Whatever way a test run ends, no server outlives it. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGQUIT');
});

/** A PostgreSQL of this test's own, so that it can be killed. Its settings are the defaults, but for what is given. */
export class PostgresServer {
  readonly port: number;
  readonly password: string;
  readonly #dir: string;
  readonly #program: string;
  readonly #settings: readonly string[];
  readonly #pools: pg.Pool[] = [];
  #postmaster: ChildProcess | null = null;

  private constructor(port: number, dir: string, program: string, password: string, settings: readonly string[]) {
    this.port = port;
    this.password = password;
    this.#dir = dir;
    this.#program = program;
    this.#settings = settings;
  }

  static async start(options: { settings?: readonly string[]; password?: string } = {}): Promise<PostgresServer> {
    const { settings = [], password = 'postgres' } = options;
    const dir = mkdtempSync(join(tmpdir(), 'coupon-postgres-'));
    const { initdb, postgres } = await postgresPrograms();
    const passwordFile = join(dir, 'password');
    writeFileSync(passwordFile, password);
    // The server refuses to run as root and runs under a user of its own, who has to reach its files.
    const { uid, gid } = serverUser();
    for (const path of [dir, passwordFile]) chownSync(path, uid, gid);
    chmodSync(dir, 0o755);
    const owner = ['--auth=scram-sha-256', `--username=${USER}`, `--pwfile=${passwordFile}`];
    const data = [`--pgdata=${join(dir, 'data')}`, '--encoding=UTF8', '--locale=C', '--no-sync'];
    execFileSync(initdb, [...data, ...owner], { uid, gid, cwd: dir, stdio: 'ignore' });
    const server = new PostgresServer(await ownPort(), dir, postgres, password, settings);
    await server.restart();
    return server;
  }

  /** Under which user and password, through which port: its own, or that of a proxy in front of it. */
  url(port = this.port): string {
    return `postgres://${USER}:${this.password}@127.0.0.1:${port}/${USER}`;
  }

  /** Ended together with the server. */
  pool(config: pg.PoolConfig = {}): pg.Pool {
    const pool = new pg.Pool({ connectionString: this.url(), max: 4, ...config });
    pool.on('error', () => {});
    this.#pools.push(pool);
    return pool;
  }

  /** Starts it on its port and its files, as soon as what is left of the killed one lets it. */
  async restart(): Promise<void> {
    for (let attempt = 0; attempt < 500; attempt++) {
      const refusal = await this.#startOnce();
      if (refusal === null) return;
      if (!refusal.includes(STILL_IN_USE)) throw new Error(`postgres did not start: ${refusal}`);
      await pause(20);
    }
    throw new Error('a process of the killed server does not end');
  }

  /** Kills the postmaster as a crash would, and says by which signal it ended, so that a test can assert that it was killed. */
  async kill(): Promise<NodeJS.Signals | null> {
    return this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGQUIT');
    await Promise.allSettled(this.#pools.map((pool) => pool.end()));
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** `null` once it can be asked, or what it said before it ended. */
  #startOnce(): Promise<string | null> {
    const own = ['listen_addresses=127.0.0.1', `unix_socket_directories=${this.#dir}`, `port=${this.port}`];
    const settings = [...own, ...this.#settings].flatMap((setting) => ['-c', setting]);
    const child = spawn(this.#program, ['-D', join(this.#dir, 'data'), ...settings], {
      ...serverUser(),
      cwd: this.#dir,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    this.#postmaster = child;
    return new Promise((resolve) => {
      let log = '';
      let isReady = false;
      child.stderr?.on('data', (data: Buffer) => {
        log = (log + data).slice(-LOG_TAIL);
        if (!isReady && log.includes(READY)) {
          isReady = true;
          note(log);
          resolve(null);
        }
      });
      child.once('exit', () => resolve(log));
    });
  }

  async #end(signal: NodeJS.Signals): Promise<NodeJS.Signals | null> {
    const child = this.#postmaster;
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await exited;
    return child.signalCode;
  }
}

/** As root: a user of its own, which is made where it is missing. */
export function serverUser(): { uid: number; gid: number } {
  const { uid = 0, gid = 0 } = { uid: process.getuid?.(), gid: process.getgid?.() };
  if (uid !== 0) return { uid, gid };
  if (spawnSync('id', [USER]).status !== 0) execFileSync('useradd', ['--system', '--user-group', USER]);
  const idOf = (flag: string) => Number(execFileSync('id', [flag, USER], { encoding: 'utf8' }));
  return { uid: idOf('-u'), gid: idOf('-g') };
}
