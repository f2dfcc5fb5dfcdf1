import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  type Cache,
  type Campaign,
  CouponIssuerError,
  type CouponIssuerErrorCode,
  type CouponIssuerOptions,
  type Issuance,
  type IssueResult,
  type Quarantine,
  type WorkerOptions,
} from '../../../src/index.js';
import { scripts } from '../../../src/redis/scripts.js';
import type { Ask } from '../checks/ledger.js';
import { shaOf } from '../servers/sent.js';

/** A step of the protocol as an actor names it: a script, or a function that the issuer was given. */
export type Step = string;
export type When = 'before' | 'after';

export interface ActorConfig {
  readonly redisPort: number;
  readonly postgresUrl: string;
  /** Whether it has `deliver` and `recall`. */
  readonly delivers?: boolean;
  /** Whether it says which database it has, for a campaign that is bound to one. */
  readonly identifies?: boolean;
  /** Where it stands still until the test says what becomes of it: at the n-th time it comes there. */
  readonly holdAt?: { readonly point: `${When} ${Step}`; readonly nth?: number };
  /** What its database says instead of saving; `code taken`: of the first batch alone. */
  readonly saves?: 'refused' | 'refused for good' | 'code taken';
  readonly deliveries?: 'refused';
  readonly options?: Partial<Pick<CouponIssuerOptions, 'timeoutMs' | 'leaseMs' | 'maxBatch' | 'maxTries'>>;
}

/** Many users who ask in one process, `askers` at a time. */
export interface Storm {
  readonly campaignId: string;
  readonly name: string;
  readonly requests: number;
  readonly users: number;
  /** Where among the users this process begins. */
  readonly from: number;
  readonly askers: number;
}

export type Outcome = { readonly result: unknown } | { readonly error: ReportedFault };
interface ReportedFault {
  readonly message: string;
  readonly code?: CouponIssuerErrorCode;
  readonly outcome?: string;
}

/** What an actor tells of itself while it goes on. */
export type News =
  | { readonly delivered: Issuance }
  | { readonly recalled: Issuance }
  | ({ readonly told: Ask } & Outcome);

interface Stop {
  readonly at: string;
  readonly results?: readonly Outcome[];
}

/** A method of a campaign, the id of that campaign, and what the method is given. */
export type Call = [method: keyof Campaign | `quarantine.${keyof Quarantine}`, campaignId: string, ...unknown[]];
export type Order =
  | { readonly calls: readonly Call[] }
  | { readonly cache: { readonly method: keyof Cache<string>; readonly args: unknown[]; readonly fails?: boolean } }
  | { readonly work: WorkerOptions }
  | { readonly storm: Storm }
  | { readonly stop: true };

const main = fileURLToPath(new URL('./actor-main.js', import.meta.url));
const shas = Object.values(scripts).map((script) => [shaOf(script), script.name]);

/** Whatever way a test run ends, no actor outlives it: a stopped one would not notice. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A process with an issuer, which a test kills or stops at a point of its choice. */
export class Actor {
  readonly #process: ChildProcess;
  readonly #stops: AsyncGenerator<Stop, void>;
  readonly #exited: Promise<NodeJS.Signals | null>;

  private constructor(config: ActorConfig, hear: (news: News) => void) {
    const argument = JSON.stringify({ ...config, scripts: shas });
    const child = spawn(process.execPath, [main, argument], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process = child;
    running.add(child);
    // A word to a process that was killed is lost, as it should be.
    child.stdin!.on('error', () => {});
    this.#exited = new Promise((resolve) => {
      child.once('exit', (_, signal) => {
        running.delete(child);
        resolve(signal);
      });
    });
    this.#stops = read(child, hear);
  }

  static async start(config: ActorConfig, hear: (news: News) => void = () => {}): Promise<Actor> {
    const actor = new Actor(config, hear);
    await actor.reaches('ready');
    return actor;
  }

  order(order: Order): void {
    this.#say(order);
  }

  /** Waits until it stands at this point, or is `done`; answers what its calls came to. */
  async reaches(at: string): Promise<readonly Outcome[]> {
    const { value } = await this.#stops.next();
    const stop = value ?? { at: 'its end' };
    if (stop.at !== at) throw new Error(`the process is at ${JSON.stringify(stop)}, not '${at}'`);
    return stop.results ?? [];
  }

  /** It leaves the point where it stands. */
  goOn(): void {
    this.#say({ goOn: true });
  }

  /** Kills it and says by which signal it ended, once all that it had said was heard. */
  async kill(): Promise<NodeJS.Signals | null> {
    this.#process.kill('SIGKILL');
    for await (const _ of this.#stops);
    return this.#exited;
  }

  /** Stops or continues it; resolves once the kernel did. */
  async signal(signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    this.#process.kill(signal);
    while (this.#stopped !== (signal === 'SIGSTOP')) await new Promise((resolve) => setImmediate(resolve));
  }

  get #stopped(): boolean {
    const stat = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2] === 'T';
  }

  #say(word: object): void {
    this.#process.stdin!.write(`${JSON.stringify(word)}\n`);
  }
}

async function* read(child: ChildProcess, hear: (news: News) => void): AsyncGenerator<Stop, void> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const message = JSON.parse(line) as News | Stop;
    if ('at' in message) yield message;
    else hear(message);
  }
}

/** An error as another process told it. */
class ReportedError extends CouponIssuerError {
  readonly code: CouponIssuerErrorCode;
  readonly outcome: string | undefined;

  constructor({ message, code, outcome }: ReportedFault & { code: CouponIssuerErrorCode }) {
    super(message);
    this.code = code;
    this.outcome = outcome;
  }
}

/** What a call of another process came to, as this one would have been told. */
export function outcomeOf(outcome: Outcome): IssueResult | Error {
  if ('result' in outcome) return outcome.result as IssueResult;
  const { code, message } = outcome.error;
  return code ? new ReportedError({ ...outcome.error, code }) : new Error(message);
}
