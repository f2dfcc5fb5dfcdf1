import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../checks/until.js';
import { ownPort } from './port.js';

/** Whatever way a test run ends, no server outlives it. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data?: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[];
  };
}

/** A Prometheus of this test's own, which scrapes one target each second. */
export class Prometheus {
  readonly #url: string;
  readonly #process: ChildProcess;
  readonly #dir: string;

  private constructor(url: string, child: ChildProcess, dir: string) {
    this.#url = url;
    this.#process = child;
    this.#dir = dir;
  }

  static async start(targetPort: number): Promise<Prometheus> {
    const port = await ownPort();
    const dir = mkdtempSync(join(tmpdir(), 'coupon-prometheus-'));
    const config = join(dir, 'prometheus.yml');
    writeFileSync(
      config,
      `global: { scrape_interval: 1s }
scrape_configs: [{ job_name: shop, static_configs: [{ targets: ['127.0.0.1:${targetPort}'] }] }]\n`,
    );
    const args = [`--config.file=${config}`, `--storage.tsdb.path=${join(dir, 'data')}`];
    const child = spawn('prometheus', [...args, `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' });
    running.add(child);
    const server = new Prometheus(`http://127.0.0.1:${port}`, child, dir);
    const isReady = () =>
      fetch(`${server.#url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until(isReady, 30_000);
    return server;
  }

  /** The points of an expression now. Throws its words about one that it cannot read. */
  async query(expression: string) {
    const response = await fetch(`${this.#url}/api/v1/query?${new URLSearchParams({ query: expression })}`);
    const { status, error, data } = (await response.json()) as Answer;
    if (status !== 'success') throw new Error(`${expression}: ${error}`);
    return data?.result ?? [];
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
    running.delete(this.#process);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
