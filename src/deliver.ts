import { monotonicMs, withDeadline } from './deadline.js';
import { isNotDelivered, redacted } from './errors.js';
import type { Emit } from './events.js';
import type { Issuance } from './issuance.js';

/** Your external call for a reserved coupon. Throw `NotDeliveredError` only where it certainly was not delivered. May be called again with the same id. */
export type Deliver = (issuance: Issuance, options: { signal: AbortSignal }) => Promise<void> | void;

export type Delivery = 'delivered' | 'not_delivered' | 'unknown';

/** At most `maxDeliveries` deliveries at a time, first come, first served. */
export class Deliveries {
  readonly #deliver: Deliver;
  readonly #max: number;
  readonly #emit: Emit;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #roomWanted: (() => void)[] = [];

  constructor(deliver: Deliver, max: number, emit: Emit) {
    this.#deliver = deliver;
    this.#max = max;
    this.#emit = emit;
  }

  /** Resolves once hardly anybody waits: no unit is reserved that cannot be delivered soon. */
  async room(): Promise<void> {
    while (this.#waiting.length > this.#max) {
      await new Promise<void>((resolve) => {
        this.#roomWanted.push(resolve);
      });
    }
  }

  /** Starts only while the deadline and the lease last; what did not start is `unknown`, and settle delivers it. */
  async run(issuance: Issuance, until: { deadlineAt: number; leaseEndsAt: number }): Promise<Delivery> {
    if (this.#running >= this.#max) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    } else {
      this.#running++;
    }
    try {
      return await this.#once(issuance, Math.min(until.deadlineAt, until.leaseEndsAt));
    } finally {
      this.#handOver();
    }
  }

  async #once(issuance: Issuance, until: number): Promise<Delivery> {
    const ms = until - monotonicMs();
    if (ms <= 0) return 'unknown';
    const abort = new AbortController();
    const late = () => {
      const error = new Error('deliver did not answer in time');
      abort.abort(error);
      return error;
    };
    try {
      const delivered = (async () => this.#deliver(issuance, { signal: abort.signal }))();
      await withDeadline(delivered, ms, late);
      return 'delivered';
    } catch (error) {
      const { campaignId, code } = issuance;
      this.#emit({ type: 'fault', during: 'deliver', campaignId, error: redacted(error, [code]) });
      return isNotDelivered(error) ? 'not_delivered' : 'unknown';
    }
  }

  /** The place goes straight to the next in line, so that no newcomer slips in between. */
  #handOver(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#running--;
    if (this.#waiting.length <= this.#max) for (const resolve of this.#roomWanted.splice(0)) resolve();
  }
}
