import { type Issuance, withoutCode } from './issuance.js';
import type { IssueResult, NotReadyReason } from './result.js';

/** The place of a user in line. */
export interface Place {
  /**
   * The order of the line: the lowest ticket is served first. A ticket of the draw is below 1; a ticket of `join()` is
   * a whole number from 1 on.
   */
  readonly ticket: number;
  /** 1 is the next user to be admitted. It never grows. `null` until the draw is done. */
  readonly position: number | null;
  /**
   * The estimated time until the user is admitted, in ms, by the pace of the last half minute. `null`: not known yet,
   * or nobody is admitted now.
   */
  readonly etaMs: number | null;
}

export type Waiting = { readonly status: 'waiting' } & Place;

/**
 * The answer of `join()`: a place in line, or the answer of `issue()`. `accepted`: the user was admitted, and the
 * coupon is being saved.
 */
export type JoinResult = Waiting | IssueResult;

/** `issued`: at least one row is committed. `reserved`: none is yet. `revoked`: every coupon was revoked. */
export type Holding = 'reserved' | 'issued' | 'revoked';

/** How a user stands who has at least one of these coupons. */
export function heldAs(issuances: readonly Issuance[]): Holding {
  const has = (wanted: Holding) => issuances.some(({ state }) => state === wanted);
  if (has('issued')) return 'issued';
  return has('reserved') ? 'reserved' : 'revoked';
}

/** The reason why a user is no longer in line, without having been admitted. */
export type LineEnd = 'left' | 'absent' | 'sold_out' | 'closed';

/** The answer of `leave()`: `left`, or the reason why there was no place. `none`: no place is known. */
export type LeaveResult =
  | { readonly status: LineEnd | 'none' }
  | { readonly status: Holding; readonly issuances: readonly Issuance[] };

/** A change that `watch()` gives. The last one is final. */
export type WaitingChange =
  | Waiting
  /** The user was admitted; the coupon is being saved. */
  | { readonly status: 'reserved'; readonly issuance: Issuance }
  /** The state in Redis cannot be trusted now. The watch goes on. */
  | { readonly status: 'not_ready'; readonly reason: NotReadyReason }
  | FinalChange;

/**
 * How the waiting ended. `left`: by `leave()`. `absent`: no sign of life for too long. `sold_out`, `closed`: there is
 * nothing to wait for any more. `revoked`: the coupon was
 * revoked. `lost`: Redis lost the line, an operator withdrew the coupon, or it was revoked so that its user may ask
 * again; join again. `none`:
 * the user was not in line when the watching began.
 */
export type FinalChange =
  | { readonly status: 'issued' | 'revoked'; readonly issuance: Issuance }
  | { readonly status: LineEnd | 'lost' | 'none' };

const FINAL: readonly string[] = ['issued', 'revoked', 'left', 'absent', 'sold_out', 'closed', 'lost', 'none'];

export function isFinal(change: WaitingChange): change is FinalChange {
  return FINAL.includes(change.status);
}

/** The standing of one user at one instant. */
export interface Standing {
  readonly word: 'waiting' | 'held' | 'left' | 'absent' | 'none';
  readonly place: (Place & { readonly id: string }) | null;
  readonly issuances: readonly Issuance[];
  /** Which making of the line this is; empty before anybody joined. */
  readonly line: string;
  /** Up to which ticket the line ended for want of anything to wait for, and why; 0 for never. */
  readonly over: { readonly upTo: number; readonly why: 'sold_out' | 'closed' | null };
  /** Why there is nothing to wait for now. */
  readonly overNow: 'sold_out' | 'closed' | null;
}

/** The change from `before` to this standing; `null`: no change was shown yet. */
export function changeOf(now: Standing, before: Standing | null): WaitingChange {
  const waited = before?.place ?? null;
  const own = now.issuances.find(({ id }) => id === waited?.id);
  if (own) return holding(own);
  if (now.place) {
    const { ticket, position, etaMs } = now.place;
    return { status: 'waiting', ticket, position, etaMs };
  }
  const known = new Set(waited ? before!.issuances.map(({ id }) => id) : []);
  const other = now.issuances.findLast(({ id }) => !known.has(id));
  if (waited && (now.word === 'left' || now.word === 'absent')) return { status: now.word };
  const { upTo, why } = now.over;
  if (waited && why && now.line === before!.line && waited.ticket <= upTo) return { status: why };
  // Redis had not known of a coupon that the user already had.
  if (other) return holding(other);
  if (waited) return { status: 'lost' };
  return { status: now.word === 'left' || now.word === 'absent' ? now.word : (now.overNow ?? 'none') };
}

function holding(issuance: Issuance): WaitingChange {
  return issuance.state === 'issued'
    ? { status: 'issued', issuance }
    : { status: issuance.state, issuance: withoutCode(issuance) };
}

/** Whether it need not be told again: a guess of the time alone is no change. */
export function isSameChange(a: WaitingChange, b: WaitingChange): boolean {
  if (a.status === 'waiting' && b.status === 'waiting') {
    return a.ticket === b.ticket && a.position === b.position && (a.etaMs === null) === (b.etaMs === null);
  }
  if (a.status === 'not_ready' && b.status === 'not_ready') return a.reason === b.reason;
  return a.status === b.status;
}
