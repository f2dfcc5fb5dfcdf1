import type { CouponIssuerError } from './errors.js';
import { isError } from './foreign.js';
import type { Issuance } from './issuance.js';

/** Why a campaign's state in Redis must not be acted on. `missing`: all or a part of it; `rebuild()` makes it again. */
export type NotReadyReason = 'missing' | 'rolled_back' | 'rebuilding';

/**
 * The answer of `issue()`. Each member carries only its own facts. `replayed` is there only on a repeat: an earlier call, or one under way, took this
 * coupon under the same request id. `join()` issues nothing itself and never sets it.
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

/** Every code that `httpStatus` answers. */
export type HttpStatus = 200 | 201 | 202 | 400 | 403 | 404 | 409 | 410 | 500 | 503;

const STATUS_CODES: Record<IssueStatus | 'waiting', HttpStatus> = {
  issued: 201,
  accepted: 202,
  waiting: 202,
  already_issued: 200,
  sold_out: 409,
  not_open: 403,
  closed: 410,
  paused: 503,
  not_eligible: 403,
  not_ready: 503,
};

const ERROR_CODES: Record<CouponIssuerError['code'], HttpStatus> = {
  INVALID_ARGUMENT: 400,
  UNKNOWN_CAMPAIGN: 404,
  CAMPAIGN_CONFLICT: 409,
  MISCONFIGURED: 500,
  OVERLOADED: 503,
  REDIS: 503,
  NOT_ISSUED: 503,
  NOT_READY: 503,
  HOOK: 503,
  CLOSED: 503,
};

/**
 * The HTTP status code for a result of `issue()` or `join()`, or for anything they threw; 500 for an error that is not of this library.
 *
 * @example
 * ```ts
 * response.status(httpStatus(await launch.issue({ userId })));
 * ```
 */
export function httpStatus(resultOrError: unknown): HttpStatus {
  const { status, code } = (resultOrError ?? {}) as { status?: string; code?: string };
  const [codes, word]: [Record<string, HttpStatus>, unknown] = isError(resultOrError)
    ? [ERROR_CODES, code]
    : [STATUS_CODES, status];
  return typeof word === 'string' && Object.hasOwn(codes, word) ? codes[word]! : 500;
}
