import type { Issuance } from './issuance.js';

/**
 * Why nobody may act on the state of a campaign in Redis. `missing`: all of it or a part is gone. `rolled_back`: it is
 * older than a state that this process saw. `rebuilding`: a rebuild is under way, or stopped. The cure is `rebuild()`.
 */
export type NotReadyReason = 'missing' | 'rolled_back' | 'rebuilding';

/**
 * The answer of `issue()`. `replayed` stands on a repeat alone: an earlier call, or one under way, took this coupon
 * under the same request id. `join()` never sets it.
 */
export type IssueResult =
  | { readonly status: 'issued'; readonly issuance: Issuance; readonly replayed?: true }
  | { readonly status: 'accepted'; readonly issuance: Issuance; readonly replayed?: true }
  /** The coupons may be revoked: their `state` says so. */
  | { readonly status: 'already_issued'; readonly issuances: readonly Issuance[] }
  /** A repeat of an attempt whose coupon was revoked; its code is `null`. It never gets another coupon. */
  | { readonly status: 'revoked'; readonly issuance: Issuance }
  | { readonly status: 'sold_out' }
  | { readonly status: 'not_open'; readonly opensAt: Date }
  | { readonly status: 'closed'; readonly closedAt: Date }
  | { readonly status: 'paused' }
  /** Your `eligible` said no, or your adapter answered `refused`: `reason` is its word. */
  | { readonly status: 'not_eligible'; readonly reason: string }
  | { readonly status: 'not_ready'; readonly reason: NotReadyReason };

export type IssueStatus = IssueResult['status'];

/** The statuses that take nothing. */
export type RefusalStatus = Exclude<IssueStatus, 'issued' | 'accepted'>;
