import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { IssueRequest, IssueResult } from '../../../src/index.js';

export interface ChildMessage {
  readonly at: 'ready' | 'before save' | 'after save' | 'done';
  readonly deliveries?: { readonly id: string; readonly code: string }[];
  readonly results?: (IssueResult | { status: 'error'; code: string; outcome?: string })[];
}

export interface ChildConfig {
  readonly redisPort: number;
  readonly postgresUrl: string;
  /** Whether it has a `deliver`, which keeps what it was given. */
  readonly delivers?: boolean;
  /** Where the process waits for the test. */
  readonly holdAt?: 'before save' | 'after save';
}

const script = fileURLToPath(new URL('./child-main.js', import.meta.url));

/** An issuer in another process. */
export class Child {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<NodeJS.Signals | null>;

  private constructor(config: ChildConfig) {
    this.#process = spawn(process.execPath, [script, JSON.stringify(config)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
    this.#exited = new Promise((resolve) => this.#process.once('exit', (_, signal) => resolve(signal)));
  }

  static async start(config: ChildConfig): Promise<Child> {
    const child = new Child(config);
    await child.reaches('ready');
    return child;
  }

  /** Waits until it says that it is there. */
  async reaches(at: ChildMessage['at']): Promise<ChildMessage> {
    const { value } = await this.#lines.next();
    const message = JSON.parse(value ?? '{"at":"gone"}') as ChildMessage;
    if (message.at !== at) throw new Error(`the child is at '${message.at}', not at '${at}'`);
    return message;
  }

  say(word: { issue: IssueRequest & { campaignId: string }; times?: number } | { fail: boolean }): void {
    this.#process.stdin?.write(`${JSON.stringify(word)}\n`);
  }

  /** Whether the kernel holds it stopped. */
  get stopped(): boolean {
    const stat = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) === 'T';
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.kill(signal);
  }

  /** Kills it and says by which signal it ended, so that a test can assert that it was killed. */
  async kill(): Promise<NodeJS.Signals | null> {
    this.#process.kill('SIGKILL');
    return this.#exited;
  }
}
