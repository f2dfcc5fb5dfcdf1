import { monotonicMs } from '../flow/deadline.js';
import { OverloadedError, RedisError } from '../model/errors.js';

const AGAIN_MS = 1_000;

/** Whether the server answered this call, by an error. */
function isRefusal(error: unknown): boolean {
  return error instanceof RedisError && (error.cause as Error | undefined)?.name === 'ReplyError';
}

/**
 * Whether Redis answers. After a call without an answer this process goes on without it, and probes it once a second. A
 * server that refuses a call has answered: the next one may be of another kind.
 */
export class Outage {
  #askAgainAt = 0;
  #isAway = false;

  get isAway(): boolean {
    return this.#isAway;
  }

  mayProbe(): boolean {
    if (monotonicMs() < this.#askAgainAt) return false;
    this.#askAgainAt = monotonicMs() + AGAIN_MS;
    return true;
  }

  answered(): void {
    this.#isAway = false;
  }

  failed(error: unknown): void {
    if (!(error instanceof RedisError) || isRefusal(error)) return;
    this.#isAway = true;
    this.#askAgainAt = monotonicMs() + AGAIN_MS;
  }
}

/** At most so many loads a second, and the share of one second at once. */
export class LoadRate {
  readonly #perSecond: number;
  #freeAt = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Throws `OverloadedError`. */
  take(cache: string): void {
    const [now, each] = [monotonicMs(), 1_000 / this.#perSecond];
    const freeAt = Math.max(this.#freeAt, now - 1_000 + each);
    if (freeAt > now) {
      const made = `this process has made its ${this.#perSecond} loads of this second without Redis`;
      throw new OverloadedError(
        `cache ${cache}: ${made}; nothing was loaded; try again after retryAfterMs`,
        Math.ceil(freeAt - now),
      );
    }
    this.#freeAt = freeAt + each;
  }
}
