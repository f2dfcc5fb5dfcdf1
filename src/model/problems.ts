import type { CouponIssuerErrorCode } from './errors.js';
import type { CouponRefusal, HttpStatus, HttpWord } from './http-status.js';
import type { RefusalStatus } from './result.js';

/** The body for a refusal or an error: the problem details of RFC 9457. */
export interface ProblemDetails {
  /** `/problems/` and a name of `PROBLEMS`; `about:blank` for an error of another library. */
  readonly type: string;
  readonly title: string;
  readonly status: HttpStatus;
  readonly detail: string;
  /** ISO 8601 in UTC. */
  readonly opensAt?: string;
  /** ISO 8601 in UTC. */
  readonly closedAt?: string;
  /** With `already_redeemed`: ISO 8601 in UTC. */
  readonly redeemedAt?: string;
  /** With `expired`: ISO 8601 in UTC. */
  readonly expiresAt?: string;
  /** With `revoked`: ISO 8601 in UTC. */
  readonly revokedAt?: string;
  /**
   * With `not_eligible`: the word of your `eligible` or of your adapter. With `not_ready`: `missing`, `rolled_back` or
   * `rebuilding`.
   */
  readonly reason?: string;
  /** With `redis` and `persistence`: `not_applied` or `unknown`. */
  readonly outcome?: string;
}

const NOT_READY = { title: 'Not ready', detail: 'The campaign cannot be served now. Try again.' };

/**
 * Each problem by the last part of its `type`, with the words that every answer of it has. A server that shows them at
 * `/problems/:name` makes the `type` lead somewhere.
 *
 * @example
 * ```ts
 * import { PROBLEMS } from 'coupon-issuer';
 *
 * const { title, detail } = PROBLEMS.sold_out;
 * ```
 */
export const PROBLEMS = Object.freeze({
  sold_out: { title: 'Sold out', detail: 'No coupon is left at this moment.' },
  not_open: { title: 'Not open yet', detail: 'The campaign has not opened.' },
  closed: { title: 'Closed', detail: 'The campaign is over.' },
  paused: { title: 'Paused', detail: 'The campaign is paused. Nothing was taken; try again.' },
  not_eligible: { title: 'Not eligible', detail: 'This user may not have this coupon.' },
  not_ready: NOT_READY,
  invalid_argument: { title: 'Invalid argument', detail: 'An argument is outside of its documented range.' },
  unknown_campaign: { title: 'Unknown campaign', detail: 'No campaign of this id was opened. Nothing was written.' },
  campaign_conflict: {
    title: 'Campaign conflict',
    detail: 'The campaign is not the one that this call assumes. Nothing was written.',
  },
  misconfigured: { title: 'Misconfigured', detail: 'This server is not set up for the campaign. Nothing was taken.' },
  overloaded: { title: 'Overloaded', detail: 'Too many users are waiting. Nothing was taken; try again.' },
  redis: {
    title: 'No answer',
    detail: 'Whether the call changed anything is not known. Repeat it with the same request id to find out.',
  },
  persistence: {
    title: 'No answer',
    detail: 'Whether the coupon was changed is not known. Repeat the call with the same id to find out.',
  },
  not_issued: { title: 'Not issued', detail: 'The coupon could not be issued and is back in the stock. Try again.' },
  already_redeemed: { title: 'Already redeemed', detail: 'Another order has used this coupon.' },
  redemption_undone: { title: 'Redemption undone', detail: 'This order gave the coupon back. A new order may use it.' },
  not_saved_yet: { title: 'Not saved yet', detail: 'The coupon is being issued. Try again in a moment.' },
  expired: { title: 'Expired', detail: 'The coupon is no longer valid.' },
  revoked: { title: 'Revoked', detail: 'The coupon was taken back.' },
  not_found: { title: 'Not found', detail: 'This user has no such coupon.' },
  hook: { title: 'Not available', detail: 'Nothing was taken. Try again.' },
  shutting_down: { title: 'Shutting down', detail: 'This server is shutting down. Nothing was taken; try again.' },
} as const);

export type ProblemName = keyof typeof PROBLEMS;

/**
 * The problem of each refusal and error, and the seconds after which a new attempt makes sense. 0: no attempt makes
 * sense, or the value itself says when.
 */
const ANSWERED: Readonly<
  Record<
    Exclude<RefusalStatus, 'already_issued'> | CouponRefusal | CouponIssuerErrorCode,
    readonly [name: ProblemName, retryAfter: number]
  >
> = {
  sold_out: ['sold_out', 0],
  not_open: ['not_open', 0],
  closed: ['closed', 0],
  paused: ['paused', 5],
  not_eligible: ['not_eligible', 0],
  not_ready: ['not_ready', 5],
  INVALID_ARGUMENT: ['invalid_argument', 0],
  UNKNOWN_CAMPAIGN: ['unknown_campaign', 0],
  CAMPAIGN_CONFLICT: ['campaign_conflict', 0],
  MISCONFIGURED: ['misconfigured', 0],
  OVERLOADED: ['overloaded', 1],
  REDIS: ['redis', 1],
  NOT_ISSUED: ['not_issued', 1],
  NOT_READY: ['not_ready', 5],
  HOOK: ['hook', 1],
  PERSISTENCE: ['persistence', 1],
  already_redeemed: ['already_redeemed', 0],
  redemption_undone: ['redemption_undone', 0],
  not_saved_yet: ['not_saved_yet', 0],
  expired: ['expired', 0],
  revoked: ['revoked', 0],
  not_found: ['not_found', 0],
  CLOSED: ['shutting_down', 1],
};

/** Nothing for a word that refuses nothing. */
export function problemOf(word: HttpWord): readonly [name: ProblemName, retryAfter: number] | readonly [] {
  return Object.hasOwn(ANSWERED, word) ? ANSWERED[word as keyof typeof ANSWERED] : [];
}
