import { randomBytes } from 'node:crypto';
import { monotonicMs } from '../flow/deadline.js';
import { VERSION } from '../model/version.js';
import type { RedisContext } from '../redis/shard.js';
import { forgetWorker, noteWorker, type WorkerRole } from '../redis/workers.js';
import { errorTypeOf } from '../tracing/step-channel.js';
import type { CheckedWorkerOptions } from './options.js';

/**
 * Tells once an interval that a worker is there. Nothing waits for a note, and a note that fails is lost: it serves no
 * promise, and a Redis that is away is told by settle.
 */
export class Presence {
  readonly #context: RedisContext;
  readonly #id = randomBytes(9).toString('base64url');
  readonly #options: Pick<CheckedWorkerOptions, 'intervalMs' | 'campaigns'>;
  #succeededAt: number | null = null;
  #lastFault: { readonly errorType: string; readonly at: number } | null = null;
  #noting: Promise<void> | null = null;
  #cursor = '0';
  /** The last note had its answer. */
  #isNoted = false;

  constructor(context: RedisContext, options: Pick<CheckedWorkerOptions, 'intervalMs' | 'campaigns'>) {
    this.#context = context;
    this.#options = options;
  }

  succeeded(): void {
    this.#succeededAt = monotonicMs();
  }

  failed(error: unknown): void {
    this.#lastFault = { errorType: errorTypeOf(error), at: monotonicMs() };
  }

  /** One at a time: a Redis that hangs gets no second one. */
  note(role: WorkerRole): void {
    if (this.#noting) return;
    const now = monotonicMs();
    const [succeededAt, fault] = [this.#succeededAt, this.#lastFault];
    const note = {
      id: this.#id,
      role,
      campaigns: this.#options.campaigns ?? null,
      version: VERSION,
      intervalMs: this.#options.intervalMs,
      succeededMsAgo: succeededAt === null ? null : now - succeededAt,
      lastFault: fault && { errorType: fault.errorType, msAgo: now - fault.at },
    };
    this.#noting = noteWorker(this.#context, note, this.#cursor)
      .then((cursor) => this.#answered(cursor, true))
      .catch(() => this.#answered('0', false));
  }

  #answered(cursor: string, isNoted: boolean): void {
    this.#cursor = cursor;
    this.#isNoted = isNoted;
    this.#noting = null;
  }

  /** A Redis without an answer to the last note is not asked again: the end of a process must not wait for it twice. */
  async end(): Promise<void> {
    await this.#noting;
    if (this.#isNoted) await forgetWorker(this.#context, this.#id).catch(() => {});
  }
}
