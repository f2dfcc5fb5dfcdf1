import { monotonicMs, withDeadline } from '../flow/deadline.js';
import { secretsOf } from '../model/caller-data.js';
import { isNotDelivered } from '../model/errors.js';
import type { Emit } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import { redacted } from '../model/safe-error.js';
import { DELIVER, type DeliverMessage, type IssueMessage } from '../tracing/channels.js';

/**
 * Your external call for a reserved coupon. It may be called again with the same id. Throw `NotDeliveredError` only if
 * the coupon was certainly not delivered. `signal` is aborted at the deadline.
 */
export type Deliver = (issuance: Issuance, options: { signal: AbortSignal }) => Promise<void> | void;

export type Delivery = 'delivered' | 'not_delivered' | 'unknown';

/** Until when a delivery may start and last, monotonic ms; and the message of its call, if anybody listens. */
interface Until {
  readonly deadlineAt: number;
  readonly leaseEndsAt: number;
  readonly message?: IssueMessage | null;
}

/** The deliveries of one campaign. */
interface Share {
  running: number;
  readonly queue: (() => void)[];
  readonly capacityWanted: (() => void)[];
}

/** From so many places on, one is kept for a campaign that has none. */
const ENOUGH_TO_KEEP_ONE = 8;

/**
 * At most `maxDeliveries` deliveries at a time. Within a campaign it is first come, first served. Among campaigns, a
 * free place goes to the one that has the fewest: so none has more than half while another waits. And a campaign that
 * has some leaves the last place to one that has none.
 */
export class Deliveries {
  readonly #deliver: Deliver;
  readonly #max: number;
  readonly #emit: Emit;
  readonly #shares = new Map<string, Share>();
  #free: number;

  constructor(deliver: Deliver, max: number, emit: Emit) {
    this.#deliver = deliver;
    this.#max = max;
    this.#emit = emit;
    this.#free = max;
  }

  /**
   * Resolves once hardly anybody of this campaign waits, `null` where that is so now: no unit is reserved that cannot be
   * delivered soon.
   */
  capacity(campaignId: string): Promise<void> | null {
    const share = this.#shares.get(campaignId);
    if (!share || share.queue.length <= this.#max) return null;
    return new Promise<void>((resolve) => {
      share.capacityWanted.push(resolve);
    }).then(() => this.capacity(campaignId) ?? undefined);
  }

  /**
   * Starts only while the deadline and the lease last; a delivery that did not start is `unknown`, and settle delivers
   * it.
   */
  async run(issuance: Issuance, until: Until): Promise<Delivery> {
    const share = this.#shareOf(issuance.campaignId);
    await new Promise<void>((resolve) => {
      share.queue.push(resolve);
      this.#start();
    });
    try {
      return await this.#once(issuance, until);
    } finally {
      share.running--;
      this.#free++;
      this.#start();
      if (share.running + share.queue.length === 0) this.#shares.delete(issuance.campaignId);
    }
  }

  async #once(issuance: Issuance, until: Until): Promise<Delivery> {
    const ms = Math.min(until.deadlineAt, until.leaseEndsAt) - monotonicMs();
    if (ms <= 0) return 'unknown';
    const abort = new AbortController();
    const late = () => {
      const error = new Error('deliver did not answer in time');
      abort.abort(error);
      return error;
    };
    try {
      const deliver = async () => this.#deliver(issuance, { signal: abort.signal });
      const inTime = () => withDeadline(deliver(), ms, late);
      await (DELIVER.isHeard ? DELIVER.run(deliverMessage(issuance, until.message), inTime, () => {}) : inTime());
      return 'delivered';
    } catch (error) {
      const { campaignId } = issuance;
      this.#emit({ type: 'fault', during: 'deliver', campaignId, error: redacted(error, secretsOf(issuance)) });
      return isNotDelivered(error) ? 'not_delivered' : 'unknown';
    }
  }

  #shareOf(campaignId: string): Share {
    const known = this.#shares.get(campaignId);
    if (known) return known;
    const share: Share = { running: 0, queue: [], capacityWanted: [] };
    this.#shares.set(campaignId, share);
    return share;
  }

  #start(): void {
    for (let share = this.#next(); share; share = this.#next()) {
      share.running++;
      this.#free--;
      share.queue.shift()!();
      if (share.queue.length <= this.#max) for (const resolve of share.capacityWanted.splice(0)) resolve();
    }
  }

  /** The campaign that waits and has the fewest places, if there is one for it. */
  #next(): Share | null {
    let next: Share | null = null;
    if (this.#free === 0) return next;
    const isLast = this.#free === 1 && this.#max >= ENOUGH_TO_KEEP_ONE;
    for (const share of this.#shares.values()) {
      if (share.queue.length === 0 || (isLast && share.running > 0)) continue;
      if (!next || share.running < next.running) next = share;
    }
    return next;
  }
}

function deliverMessage({ campaignId }: Issuance, message: IssueMessage | null | undefined): DeliverMessage {
  return { campaignId, size: 1, calls: message ? [message] : [] };
}
