import { assertName, isReason, ownCopy } from './check.js';
import { invalid } from './errors.js';
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

/** The events, for logs and metrics. Each is told after the fact. An observer that throws changes nothing. */
export type CouponEvent =
  /**
   * `issue()` answered `issued`, or a user in line got the coupon. Only the call that took the unit tells it, so it is
   * never told twice. A repeat tells `settled` at most.
   */
  | ({ readonly type: 'issued' } & IssuanceRef)
  /** `issue()` answered `accepted`: settle will finish it. A repeat does not tell it again. */
  | ({ readonly type: 'accepted' } & IssuanceRef)
  /** Refused answers of one batch, counted by status: one event per status. A repeat that is refused tells it again. */
  | { readonly type: 'refused'; readonly campaignId: string; readonly status: RefusalStatus; readonly count: number }
  /** The unit went back to the stock. */
  | ({ readonly type: 'released' } & IssuanceRef)
  /** The unit left the stock for good. `delivered` says that a user may hold its code: recall it. */
  | ({ readonly type: 'withdrawn'; readonly delivered: boolean } & IssuanceRef)
  /** Settle gave up on this reservation. It keeps its unit until an operator retries or withdraws it. */
  | ({ readonly type: 'quarantined'; readonly tries: number } & IssuanceRef)
  /**
   * An `accepted` answer cannot be kept: Redis had lost data, and no unit or no open window is left. If the rebuild that
   * told it stops, the next run tells it again; if that run has more units, the user may get one after all.
   */
  | ({ readonly type: 'lost' } & IssuanceRef)
  /** An open reservation was finished, by settle or by a repeat of its call. */
  | ({ readonly type: 'settled' } & IssuanceRef)
  /**
   * The last unit is out and nothing is reserved. Told once per campaign, by the process that confirmed it. If that
   * reply is lost, the event is lost too.
   */
  | { readonly type: 'exhausted'; readonly campaignId: string }
  /**
   * Places in line ended without a coupon: given up, absent for too long, or nothing was left to wait for. One event
   * per batch.
   */
  | {
      readonly type: 'places_ended';
      readonly campaignId: string;
      readonly reason: 'left' | 'absent' | 'sold_out' | 'closed';
      readonly count: number;
    }
  /** The users that joined before the opening were put in order. Once per process that took part. */
  | { readonly type: 'drawn'; readonly campaignId: string; readonly seed: string; readonly count: number }
  /** A coupon was redeemed, or its redemption undone, or its end moved, by this call. A repeat does not tell it. */
  | ({ readonly type: 'redeemed' | 'unredeemed' | 'extended' } & IssuanceRef)
  /**
   * A coupon was revoked by this call. `unit`: whether a new unit goes into the stock for it; `again`: whether its user
   * may have another coupon. A repeat does not tell it.
   */
  | ({ readonly type: 'revoked'; readonly unit: 'kept' | 'returned'; readonly again: boolean } & IssuanceRef)
  /** Redis knows of the revocation: by the call that revoked, by a repeat or by a worker. Once per coupon at most. */
  | ({ readonly type: 'taken_back' } & IssuanceRef)
  /** A person changed a campaign, through the dashboard or a page that calls `issuer.audit()`. */
  | AuditEvent
  /** A fault that reached no caller, or that an operator should know. The error is redacted. */
  | FaultEvent;

/** A change of a campaign by a person. It names no code and no user of the shop. */
export interface AuditEvent {
  readonly type: 'audit';
  readonly campaignId: string;
  /** The change, such as `pause` or `quarantine_retry`. */
  readonly action: string;
  /** The name of the person. */
  readonly by: string;
  /** `false`: the call threw. Its error says whether something was changed. */
  readonly done: boolean;
}

/**
 * A fault that reached no caller, or that an operator should know. A save tells one fault for each row that the
 * database refused alone, and one for each batch that failed or whose outcome is unknown.
 */
export interface FaultEvent {
  readonly type: 'fault';
  readonly during: FaultSource;
  /** `null`: the fault is about several campaigns, which are in `campaignIds`, or about none. */
  readonly campaignId: string | null;
  readonly campaignIds?: readonly string[];
  readonly error: Error;
  /** The issuance that a save refused alone, or that settle could not reserve anew. */
  readonly issuance?: IssuanceRef;
  /** The constraint that the row broke, by its name in the database; otherwise the code of the error. */
  readonly constraint?: string;
  /** Of a save: how many issuances the fault is about. */
  readonly count?: number;
}

/** Throws `InvalidArgumentError`. */
export function checkedAudit(entry: Omit<AuditEvent, 'type'>): Omit<AuditEvent, 'type'> {
  const own = ownCopy('the argument of audit()', entry, ['campaignId', 'action', 'by', 'done']);
  assertName('campaignId', own.campaignId);
  for (const name of ['action', 'by'] as const) {
    if (!isReason(own[name])) throw invalid(name, 'must be 1 to 128 bytes of text without control characters');
  }
  if (typeof own.done !== 'boolean') throw invalid('done', 'must be true or false');
  return own;
}

/** The step in which a fault arose. */
export type FaultSource =
  | 'deliver'
  | 'save'
  | 'find'
  | 'confirm'
  | 'recall'
  | 'settle'
  | 'watch'
  | 'take_back'
  | 'cache';

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
