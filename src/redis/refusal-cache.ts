import { monotonicMs } from '../flow/deadline.js';
import type { IssueResult } from '../model/result.js';

/** A refusal for all users without a coupon. */
export type CommonRefusal = Extract<IssueResult, { status: 'sold_out' | 'closed' | 'paused' }>;

/**
 * The last refusal of one campaign, answered from memory for a short while. Users who hold a coupon from this process,
 * or might, always go to Redis. They are kept as hashes of 31 bits, so that a million of them are small; a hash
 * collision costs a round trip.
 */
export class Refusals {
  readonly #cacheMs: number;
  readonly #known = new Set<number>();
  #refusal: CommonRefusal | null = null;
  #until = 0;

  constructor(cacheMs: number) {
    this.#cacheMs = cacheMs;
  }

  /** `null`: Redis has to say. */
  of(userId: string): CommonRefusal | null {
    if (this.#refusal === null || this.#known.has(hash(userId))) return null;
    if (monotonicMs() < this.#until) return copyOf(this.#refusal);
    this.#refusal = null;
    return null;
  }

  /** `askedAt`: monotonic ms, before Redis was asked; it was true at some instant since. */
  note(refusal: CommonRefusal, askedAt: number): void {
    this.#refusal = copyOf(refusal);
    this.#until = askedAt + this.#cacheMs;
  }

  /** Users that hold a coupon, or might. */
  know(userIds: readonly string[]): void {
    for (const userId of userIds) this.#known.add(hash(userId));
  }
}

/** No two callers share a result object. */
function copyOf(refusal: CommonRefusal): CommonRefusal {
  return refusal.status === 'closed'
    ? { status: refusal.status, closedAt: new Date(refusal.closedAt) }
    : { status: refusal.status };
}

/** FNV-1a over UTF-16 units. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value & 0x7fffffff;
}
