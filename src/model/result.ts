import type { Issuance } from './issuance.js';

/** Why a campaign's state in Redis must not be acted on. `missing`: all or a part of it; `rebuild()` makes it again. */
export type NotReadyReason = 'missing' | 'rolled_back' | 'rebuilding';

/**
 * The answer of `issue()`. Each member carries only its own facts. `replayed` is there only on a repeat: an earlier
 * call, or one under way, took this coupon under the same request id. `join()` issues nothing itself and never sets it.
 */
export type IssueResult =
  | { readonly status: 'issued'; readonly issuance: Issuance; readonly replayed?: true }
  | { readonly status: 'accepted'; readonly issuance: Issuance; readonly replayed?: true }
  | { readonly status: 'already_issued'; readonly issuances: readonly Issuance[] }
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
