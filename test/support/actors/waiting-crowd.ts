import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { WorkerOptions } from '../../../src/index.js';
import type { WaitingScene } from '../scenes/waiting-scene.js';

export interface CrowdConfig {
  /** How far the clock of the process is ahead of the true one. */
  readonly clockAheadMs?: number;
  /** At the n-th save it stands still until it is killed. */
  readonly holdAtSave?: number;
  readonly options?: { readonly leaseMs?: number; readonly timeoutMs?: number };
}

export interface Crowding {
  /** Users are called `<name>-<number>`, from and up to these numbers. */
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly askers: number;
  /** Which share of those who wait leaves again. */
  readonly leaving?: number;
  readonly seed?: number;
}

type Told = readonly [userId: string, status: string, number: number | null];
type Message =
  | { readonly joined: readonly Told[] }
  | { readonly left: readonly (readonly [userId: string, status: string])[] }
  | { readonly at: string };

/** What the users of all crowds were told. */
export class Hearsay {
  /** The last answer to each user's join, and the ticket or serial in it. */
  readonly joined = new Map<string, { readonly status: string; readonly number: number | null }>();
  readonly left = new Map<string, string>();
  /** Tickets of those who were told to wait. */
  readonly tickets = new Map<string, number>();

  hear(message: Message): void {
    if ('left' in message) for (const [userId, status] of message.left) this.left.set(userId, status);
    if (!('joined' in message)) return;
    for (const [userId, status, number] of message.joined) {
      this.joined.set(userId, { status, number });
      if (status === 'waiting') this.tickets.set(userId, number!);
    }
  }

  /** How often each answer was given. */
  get counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    const statuses = [
      ...[...this.joined.values()].map(({ status }) => status),
      ...[...this.left.values()].map((status) => `leave: ${status}`),
    ];
    for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1;
    return counts;
  }
}

const main = fileURLToPath(new URL('./waiting-crowd-main.js', import.meta.url));

/** A process whose users join one line, or that lets people through. */
export class Crowd {
  readonly #process: ChildProcess;
  readonly #stops: AsyncGenerator<string, void>;
  readonly #scene: WaitingScene;
  readonly #exited: Promise<NodeJS.Signals | null>;

  private constructor(scene: WaitingScene, hearsay: Hearsay, config: CrowdConfig) {
    const { server, database } = scene.ground;
    const argument = JSON.stringify({ ...config, redisPort: server.port, postgresUrl: database.url });
    this.#scene = scene;
    this.#process = spawn(process.execPath, [main, argument], { stdio: ['pipe', 'pipe', 'inherit'] });
    // A word to a process that was killed is lost, as it should be.
    this.#process.stdin!.on('error', () => {});
    this.#exited = new Promise((resolve) => this.#process.once('exit', (_, signal) => resolve(signal)));
    this.#stops = read(this.#process, hearsay);
  }

  /** It does not outlive the test. */
  static async start(scene: WaitingScene, hearsay = new Hearsay(), config: CrowdConfig = {}): Promise<Crowd> {
    const crowd = new Crowd(scene, hearsay, config);
    onTestFinished(() => void crowd.#process.kill('SIGKILL'));
    await crowd.reaches('ready');
    return crowd;
  }

  /** All of them join; resolves when each was answered. */
  async come(crowding: Crowding): Promise<void> {
    this.#say({ crowd: { campaignId: this.#scene.campaignId, ...crowding } });
    await this.reaches('done');
  }

  work(work: WorkerOptions): void {
    this.#say({ work });
  }

  /** Kills it and says by which signal it ended. */
  async kill(): Promise<NodeJS.Signals | null> {
    this.#process.kill('SIGKILL');
    return this.#exited;
  }

  async reaches(at: string): Promise<void> {
    const { value } = await this.#stops.next();
    if (value !== at) throw new Error(`the process is at '${value ?? 'its end'}', not at '${at}'`);
  }

  #say(word: object): void {
    this.#process.stdin!.write(`${JSON.stringify(word)}\n`);
  }
}

async function* read(child: ChildProcess, hearsay: Hearsay): AsyncGenerator<string, void> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const message = JSON.parse(line) as Message;
    if ('at' in message) yield message.at;
    else hearsay.hear(message);
  }
}
