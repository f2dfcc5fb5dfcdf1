import type { CouponIssuerErrorCode } from './errors.js';
import { isError, read } from './foreign.js';
import type { LifeAnswer } from './life.js';
import type { IssueStatus } from './result.js';

/** Every code that `httpStatus` answers. */
export type HttpStatus = 200 | 201 | 202 | 400 | 403 | 404 | 409 | 410 | 500 | 503;

/** The words of a coupon after its issue. */
type CouponWord = Exclude<LifeAnswer, 'fenced'> | 'not_saved_yet' | 'not_found';

/** The words of a coupon that was not changed because of its row, or because it has none. */
export type CouponRefusal = Exclude<CouponWord, 'taken_back' | 'redeemed' | 'unredeemed' | 'not_redeemed' | 'extended'>;

/** The words of `issue()` and `join()`, the further words of `leave()` and `userStatus()`, and those of a coupon. */
type StatusWord = IssueStatus | 'waiting' | 'reserved' | 'left' | 'absent' | 'none' | CouponWord;

const STATUS_CODES: Record<StatusWord, HttpStatus> = {
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
  reserved: 200,
  left: 200,
  absent: 200,
  none: 200,
  redeemed: 200,
  unredeemed: 200,
  not_redeemed: 200,
  taken_back: 200,
  extended: 200,
  already_redeemed: 409,
  redemption_undone: 409,
  not_saved_yet: 409,
  expired: 410,
  revoked: 410,
  not_found: 404,
};

const ERROR_CODES: Record<CouponIssuerErrorCode, HttpStatus> = {
  INVALID_ARGUMENT: 400,
  UNKNOWN_CAMPAIGN: 404,
  CAMPAIGN_CONFLICT: 409,
  MISCONFIGURED: 500,
  OVERLOADED: 503,
  REDIS: 503,
  NOT_ISSUED: 503,
  NOT_READY: 503,
  HOOK: 503,
  PERSISTENCE: 503,
  CLOSED: 503,
};

const ERROR_NAMES: Record<CouponIssuerErrorCode, string> = {
  INVALID_ARGUMENT: 'InvalidArgumentError',
  UNKNOWN_CAMPAIGN: 'UnknownCampaignError',
  CAMPAIGN_CONFLICT: 'CampaignConflictError',
  MISCONFIGURED: 'MisconfiguredError',
  OVERLOADED: 'OverloadedError',
  REDIS: 'RedisError',
  NOT_ISSUED: 'NotIssuedError',
  NOT_READY: 'NotReadyError',
  HOOK: 'HookError',
  PERSISTENCE: 'PersistenceError',
  CLOSED: 'ClosedError',
};

/** A status of a result or a code of an error that has an HTTP status code. */
export type HttpWord = keyof typeof STATUS_CODES | CouponIssuerErrorCode;

/** The status of a result, or the code of an error; `null`: the value is none of this library. */
export function httpWordOf(resultOrError: unknown): HttpWord | null {
  const isFault = isError(resultOrError);
  const word = read(() => (resultOrError as Record<string, unknown>)[isFault ? 'code' : 'status']);
  const codes = isFault ? ERROR_CODES : STATUS_CODES;
  if (typeof word !== 'string' || !Object.hasOwn(codes, word)) return null;
  // Other libraries have errors with a code of the same word.
  if (isFault && read(() => resultOrError.name) !== ERROR_NAMES[word as CouponIssuerErrorCode]) return null;
  return word as HttpWord;
}

/**
 * The HTTP status code for a result of `issue()`, `join()`, `leave()`, `userStatus()` or a call about a coupon, such as
 * `redeem()`, and for an error that one of them threw. 500 for every other value. 200 for a result with `issuances`,
 * because it tells of earlier coupons.
 *
 * @example
 * ```ts
 * response.status(httpStatus(await launch.issue({ userId })));
 * ```
 */
export function httpStatus(resultOrError: unknown): HttpStatus {
  return statusOf(httpWordOf(resultOrError), resultOrError);
}

/** The same for a word that was read already: a getter could say another one at the second look. */
export function statusOf(word: HttpWord | null, resultOrError: unknown): HttpStatus {
  if (word === null) return 500;
  if (word in ERROR_CODES) return ERROR_CODES[word as CouponIssuerErrorCode];
  const standing = read(() => Array.isArray((resultOrError as { issuances?: unknown }).issuances)) ?? false;
  return standing ? 200 : STATUS_CODES[word as keyof typeof STATUS_CODES];
}
