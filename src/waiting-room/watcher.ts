import { changeOf, isFinal, isSameChange, type Standing, type WaitingChange } from '../model/place.js';

type Next = IteratorResult<WaitingChange, undefined>;
interface Waiter {
  readonly resolve: (next: Next) => void;
  readonly reject: (error: unknown) => void;
}

const DONE: Next = { done: true, value: undefined };

/** The ticket of a user that was admitted before the watching is unknown. */
function holdingOf(now: Standing, id: string): Standing {
  return { ...now, place: { id, ticket: Number.POSITIVE_INFINITY, position: null, etaMs: null } };
}

/**
 * One watcher. It keeps one change that was not fetched yet: a slow reader finds the newest, never a queue. It ends
 * with the final change, when its consumer stops, or when the issuer closes.
 */
export class Watcher implements AsyncIterableIterator<WaitingChange> {
  readonly userId: string;
  readonly #ended: (() => void)[];
  readonly #waiters: Waiter[] = [];
  #before: Standing | null = null;
  #told: WaitingChange | null = null;
  #next: WaitingChange | null = null;
  #error: { readonly error: unknown } | null = null;
  #over = false;

  constructor(userId: string, ended: () => void) {
    this.userId = userId;
    this.#ended = [ended];
  }

  /** Called at the end, or now if it is over. */
  onEnd(ended: () => void): void {
    if (this.#over) ended();
    else this.#ended.push(ended);
  }

  get isOver(): boolean {
    return this.#over;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Next> {
    if (this.#next) {
      const value = this.#next;
      this.#next = null;
      return Promise.resolve({ done: false, value });
    }
    if (this.#error) {
      const { error } = this.#error;
      this.#error = null;
      return Promise.reject(error);
    }
    if (this.#over) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** The consumer stops. */
  return(): Promise<Next> {
    this.#next = null;
    this.end();
    return Promise.resolve(DONE);
  }

  saw(now: Standing): void {
    const change = changeOf(now, this.#before);
    // The reservation it waits for is remembered, and known by its id later.
    if (now.place) this.#before = now;
    else if (change.status === 'reserved' && !this.#before) this.#before = holdingOf(now, change.issuance.id);
    this.tell(change);
  }

  tell(change: WaitingChange): void {
    if (this.#over || (this.#told && isSameChange(this.#told, change))) return;
    this.#told = change;
    const waiter = this.#waiters.shift();
    if (waiter) waiter.resolve({ done: false, value: change });
    else this.#next = change;
    if (isFinal(change)) this.end();
  }

  fail(error: unknown): void {
    if (this.#over) return;
    const waiter = this.#waiters.shift();
    if (waiter) waiter.reject(error);
    else this.#error = { error };
    this.end();
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    for (const { resolve } of this.#waiters.splice(0)) resolve(DONE);
    for (const ended of this.#ended) ended();
  }
}
