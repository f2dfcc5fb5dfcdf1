import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownPort } from './port.js';
import { type PostgresServer, serverUser } from './postgres-server.js';
import { note } from './programs.js';

/** A PgBouncer in transaction mode in front of a server, for each database of it. */
export class PgBouncer {
  readonly port: number;
  readonly #dir: string;
  readonly #process: ChildProcess;

  private constructor(port: number, dir: string, child: ChildProcess) {
    this.port = port;
    this.#dir = dir;
    this.#process = child;
  }

  static async start(program: string, server: PostgresServer): Promise<PgBouncer> {
    const port = await ownPort();
    const dir = mkdtempSync(join(tmpdir(), 'coupon-pgbouncer-'));
    const file = join(dir, 'pgbouncer.ini');
    writeFileSync(file, settingsOf(port, server));
    // It refuses to run as root.
    const { uid, gid } = serverUser();
    for (const path of [dir, file]) chownSync(path, uid, gid);
    const child = spawn(program, [file], { uid, gid, cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
    const bouncer = new PgBouncer(port, dir, child);
    note(await ready(child));
    return bouncer;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGKILL');
      await exited;
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function settingsOf(port: number, server: PostgresServer): string {
  return `[databases]
* = host=127.0.0.1 port=${server.port} user=postgres password=${server.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
server_idle_timeout = 5
`;
}

/** Resolves with its log once it takes connections; keeps reading, which would block it otherwise. */
function ready(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let log = '';
    child.stderr?.on('data', (data: Buffer) => {
      if (log.length < 10_000) log += data;
      if (log.includes('process up')) resolve(log);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`pgbouncer exited with ${code}: ${log}`)));
  });
}
