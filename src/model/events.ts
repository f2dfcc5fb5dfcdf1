import { isThenable } from './foreign.js';
import type { Issuance } from './issuance.js';
import type { IssueStatus, RefusalStatus } from './result.js';

/** An issuance as events name it: without its code, because events go to logs. */
export interface IssuanceRef {
  readonly campaignId: string;
  readonly id: string;
  readonly userId: string;
  readonly grant: number;
  readonly serial: number;
}

export function refOf({ campaignId, id, userId, grant, serial }: Issuance): IssuanceRef {
  return { campaignId, id, userId, grant, serial };
}

/** The events, for logs and metrics. Told after the fact: an observer that throws changes nothing. */
export type CouponEvent =
  /**
   * `issue()` answered `issued`, or a user in line got their coupon. Told by the call that took the unit, so never
   * twice: a repeat tells `settled` at most.
   */
  | ({ readonly type: 'issued' } & IssuanceRef)
  /** `issue()` answered `accepted`: settle will finish it. A repeat does not tell it again. */
  | ({ readonly type: 'accepted' } & IssuanceRef)
  /** Refusals, counted by status: one event for all of one batch. */
  | { readonly type: 'refused'; readonly campaignId: string; readonly status: RefusalStatus; readonly count: number }
  /** The unit went back to the stock. */
  | ({ readonly type: 'released' } & IssuanceRef)
  /** The unit left the stock for good. `delivered` says that a user may hold its code: recall it. */
  | ({ readonly type: 'withdrawn'; readonly delivered: boolean } & IssuanceRef)
  /** Settle failed on it for the last time: it keeps its unit until an operator retries or withdraws it. */
  | ({ readonly type: 'quarantined'; readonly tries: number } & IssuanceRef)
  /** Settle cannot keep an `accepted` answer: Redis had lost data, and no unit or no open window is left. */
  | ({ readonly type: 'lost' } & IssuanceRef)
  /** An open reservation was finished, by settle or by a repeat of its call. */
  | ({ readonly type: 'settled' } & IssuanceRef)
  /**
   * The last unit is out and nothing is reserved. Once per campaign, by the process that confirmed it; lost with a lost
   * reply.
   */
  | { readonly type: 'exhausted'; readonly campaignId: string }
  /**
   * Places in line ended without a coupon: given up, absent for too long, or nothing was left to wait for. One event
   * for all of one batch.
   */
  | {
      readonly type: 'places_ended';
      readonly campaignId: string;
      readonly reason: 'left' | 'absent' | 'sold_out' | 'closed';
      readonly count: number;
    }
  /** The users that joined before the opening were put in order. Once per process that took part. */
  | { readonly type: 'drawn'; readonly campaignId: string; readonly seed: string; readonly count: number }
  /** Something failed that no caller is waiting for, or that an operator should know. The error is redacted. */
  | FaultEvent;

/**
 * Of a save: one event for each row that the database refused alone, and one for each batch that failed or whose
 * outcome is unknown.
 */
export interface FaultEvent {
  readonly type: 'fault';
  readonly during: FaultSource;
  /** `null`: several, which are then in `campaignIds`, or none in particular. */
  readonly campaignId: string | null;
  readonly campaignIds?: readonly string[];
  readonly error: Error;
  /** The issuance that a save refused alone. */
  readonly issuance?: IssuanceRef;
  /** The constraint that it broke, as the database calls it, otherwise the code of its error. */
  readonly constraint?: string;
  /** Of a save: how many issuances it is about. */
  readonly count?: number;
}

/** The step in which a fault arose. */
export type FaultSource = 'deliver' | 'save' | 'find' | 'confirm' | 'recall' | 'settle' | 'admit' | 'watch';

export type Emit = (event: CouponEvent) => void;

/** Counts the refusals of one batch by status, one event each. */
export function countRefusals(emit: Emit, campaignId: string, statuses: readonly IssueStatus[]): void {
  const counts = new Map<RefusalStatus, number>();
  for (const status of statuses) {
    if (status !== 'issued' && status !== 'accepted') counts.set(status, (counts.get(status) ?? 0) + 1);
  }
  for (const [status, count] of counts) emit({ type: 'refused', campaignId, status, count });
}

/** Wraps the user's observer so that nothing it does can reach the protocol. */
export function safeEmit(observer: ((event: CouponEvent) => void) | undefined): Emit {
  if (!observer) return () => {};
  return (event) => {
    if ('issuance' in event) Object.freeze(event.issuance);
    Object.freeze(event);
    try {
      const returned: unknown = observer(event);
      if (isThenable(returned)) Promise.resolve(returned).catch(() => {});
    } catch {
      // An observer's fault is its own.
    }
  };
}
