import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import { ownPort } from './port.js';
import { mysqlPrograms, note } from './programs.js';

// Debian keeps the server where only root looks for it.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** A MariaDB, or a MySQL, of this test file's own, on a free port, stopped by its pid. */
export class Mariadb {
  readonly port: number;
  readonly pool: mysql.Pool;
  readonly #dir: string;
  readonly #process: ChildProcess;
  readonly #clients: { destroy(): void }[] = [];
  readonly #pools: mysql.Pool[] = [];

  private constructor(port: number, dir: string, child: ChildProcess) {
    this.port = port;
    this.#dir = dir;
    this.#process = child;
    this.pool = this.createPool();
  }

  static async start(args: string[] = []): Promise<Mariadb> {
    const dir = mkdtempSync(join(tmpdir(), 'coupon-mariadb-'));
    // Servers that start at once must not find each other's files in a shared folder.
    const own = [`--datadir=${join(dir, 'data')}`, `--tmpdir=${dir}`];
    const { server: program, install, settings: usual } = mysqlPrograms();
    const settings = ['--no-defaults', ...own, ...usual];
    const [installer, ...words] = install;
    await promisify(execFile)(installer!, [...settings, ...words], { env });
    const port = await ownPort();
    const network = [`--port=${port}`, '--bind-address=127.0.0.1', `--socket=${join(dir, 'socket')}`];
    const child = spawn(program, [...settings, ...network, ...args], { stdio: ['ignore', 'ignore', 'pipe'], env });
    const server = new Mariadb(port, dir, child);
    try {
      note(await ready(child));
      const admin = await server.connect({ database: '' });
      await admin.query('CREATE DATABASE shop');
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  get url(): string {
    return `mysql://root@127.0.0.1:${this.port}/shop`;
  }

  createPool(options: mysql.PoolOptions = {}): mysql.Pool {
    const pool = mysql.createPool({ ...this.#address, connectionLimit: 10, ...options });
    this.#pools.push(pool);
    return pool;
  }

  /** A connection of its own. */
  async connect(options: mysql.ConnectionOptions = {}): Promise<mysql.Connection> {
    const client = await mysql.createConnection({ ...this.#address, ...options });
    client.on('error', () => {});
    this.#clients.push(client);
    return client;
  }

  /** A counter of the server, by its name in SHOW STATUS. */
  async statusOf(name: string): Promise<number> {
    const [rows] = await this.pool.query<mysql.RowDataPacket[]>('SHOW GLOBAL STATUS LIKE ?', [name]);
    return Number(rows[0]?.Value);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await Promise.all(this.#pools.map((pool) => pool.end().catch(() => {})));
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGKILL');
      await exited;
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }

  get #address() {
    return { host: '127.0.0.1', port: this.port, user: 'root', database: 'shop' };
  }
}

/** Resolves once the server answers; keeps reading its log, which would block it otherwise. */
function ready(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let log = '';
    child.stderr?.on('data', (data: Buffer) => {
      log += data;
      // The line of a MariaDB with its version is the next one.
      if (/ready for connections[\s\S]*Version: '/.test(log)) resolve(log);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the server exited with ${code}: ${log}`)));
  });
}

/** The rows of a campaign by a query of the test's own, not by the adapter. */
export async function rowsOf(server: Mariadb, campaignId: string, table = 'coupon_issuances') {
  const [rows] = await server.pool.query(
    `SELECT serial, CONVERT(user_id USING utf8mb4) AS userId, grant_no AS \`grant\`, CONVERT(id USING utf8mb4) AS id,
       CONVERT(code USING utf8mb4) AS code FROM ${table} WHERE campaign_id = ? ORDER BY serial`,
    [campaignId],
  );
  return rows as { id: string; userId: string; grant: number; serial: number; code: string | null }[];
}
