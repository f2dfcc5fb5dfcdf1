import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis, type RedisOptions } from 'ioredis';
import type { Certificate } from './certificate.js';
import { ownPort } from './port.js';
import { note, REDIS } from './programs.js';

export interface ServerOptions {
  /** Words after `redis-server`: the path of a configuration, where there is one, and options. */
  readonly args?: readonly string[];
  readonly port?: number;
  readonly dir?: string;
  /** What it says once it can be asked. */
  readonly ready?: string;
  /** It takes no connection without TLS, and makes none. */
  readonly tls?: Certificate | undefined;
}

/** Nor does a replica wait 5 s for others that may want the same copy. */
export const NOTHING_KEPT = ['--save', '', '--appendonly', 'no', '--repl-diskless-sync-delay', '0'];

/** Whatever way a test run ends, no server outlives it. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A redis-server of this test's own, on a free port, stopped by its pid. */
export class RedisServer {
  readonly port: number;
  readonly dir: string;
  #args: readonly string[];
  #process: ChildProcess | null = null;
  readonly #ready: string;
  readonly #tls: Certificate | undefined;
  readonly #clients: { disconnect(): void }[] = [];

  private constructor(port: number, dir: string, options: ServerOptions) {
    const { args = [], ready = 'Ready to accept connections', tls } = options;
    this.port = port;
    this.dir = dir;
    this.#args = args;
    this.#ready = ready;
    this.#tls = tls;
  }

  static async start(args: readonly string[] = []): Promise<RedisServer> {
    return RedisServer.with({ args: [...NOTHING_KEPT, ...args] });
  }

  /** The same with every choice left to the caller. */
  static async with(options: ServerOptions): Promise<RedisServer> {
    const dir = options.dir ?? newDataDir();
    const server = new RedisServer(options.port ?? (await ownPort()), dir, options);
    await server.restart();
    return server;
  }

  /** Starts it on its old port and directory after it was killed, with the same options or others. */
  async restart(args = this.#args): Promise<void> {
    this.#args = args;
    const own = [...portOf(this.port, this.#tls), '--bind', '127.0.0.1', '--dir', this.dir];
    const child = spawn(REDIS, [...args, ...own], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    const said = await new Promise<string>((resolve, reject) => {
      let log = '';
      child.stdout?.on('data', (data: Buffer) => {
        if (log.length < 10_000) log += data;
        if (log.includes(this.#ready)) resolve(log);
      });
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`redis-server exited with ${code}: ${log}`)));
    });
    note(said);
  }

  /** `SIGSTOP`: it takes connections and calls, and answers none until `SIGCONT`. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(name);
  }

  /** Kills it as a crash would, and says by which signal it ended, so that a test can assert that it was killed. */
  async kill(): Promise<NodeJS.Signals | null> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    return child.signalCode;
  }

  client(options: RedisOptions = {}): Redis {
    const tls = this.#tls && { tls: { ca: this.#tls.ca } };
    const client = new Redis(this.port, '127.0.0.1', { ...tls, ...options });
    client.on('error', () => {});
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function portOf(port: number, tls: Certificate | undefined): string[] {
  if (!tls) return ['--port', String(port)];
  const files = ['--tls-cert-file', tls.file, '--tls-key-file', tls.key, '--tls-ca-cert-file', tls.file];
  const everywhere = ['--tls-auth-clients', 'no', '--tls-replication', 'yes'];
  return ['--port', '0', '--tls-port', String(port), ...files, ...everywhere];
}

export function newDataDir(): string {
  return mkdtempSync(join(tmpdir(), 'coupon-redis-'));
}
