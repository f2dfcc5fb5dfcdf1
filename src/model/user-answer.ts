import { type CouponJson, type HttpResult, httpAnswer, type IssuanceJson } from './http-answer.js';
import type { HttpStatus } from './http-status.js';
import type { Issuance } from './issuance.js';
import type { WaitingChange } from './place.js';
import type { ProblemDetails } from './problems.js';

/** A coupon as its user sees it. Instants are ISO 8601 in UTC. Without `expiresAt` it is valid for ever. */
export interface UserCoupon {
  readonly serial: number;
  /** Absent where the coupon is redeemed, or its redemption is undone. */
  readonly grant?: number;
  /** `null` until the row is committed, and once the coupon was revoked. */
  readonly code: string | null;
  readonly state: string;
  readonly issuedAt: string;
  readonly expiresAt?: string;
  readonly redeemedAt?: string;
  readonly revokedAt?: string;
}

/** The body for a result that is no refusal, as its user sees it. */
interface UserResult extends Omit<HttpResult, 'issuance' | 'issuances' | 'coupon'> {
  readonly coupon?: UserCoupon;
  readonly coupons?: readonly UserCoupon[];
}

export interface UserAnswer {
  readonly status: HttpStatus;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: UserResult | ProblemDetails;
}

/** The answer of `httpAnswer`, without the parts of a coupon that are the server's own. */
export function userAnswer(resultOrError: unknown): UserAnswer {
  const { status, headers, body } = httpAnswer(resultOrError);
  if ('type' in body) return { status, headers, body };
  const { issuance, issuances, coupon = issuance, ...rest } = body;
  const shown = {
    ...(coupon && { coupon: userCouponOf(coupon) }),
    ...(issuances && { coupons: issuances.map(userCouponOf) }),
  };
  return { status, headers, body: { ...rest, ...shown } };
}

/**
 * A change of `watch()` as the page of its user sees it, for the option `data` of `serverSentEvents()`. A coupon is in
 * `coupon`, a {@link UserCoupon}: its id, its epoch and its user id stay on the server.
 *
 * @example
 * ```ts
 * import { serverSentEvents, shownChange } from 'coupon-issuer';
 *
 * const events = serverSentEvents(launch.watch({ userId }), { data: shownChange });
 * ```
 */
export function shownChange(change: WaitingChange): object {
  if ('issuance' in change) return { status: change.status, coupon: userCouponOf(change.issuance) };
  if (change.status === 'waiting') {
    const { status, ticket, position, etaMs } = change;
    return { status, ticket, position, etaMs };
  }
  return change.status === 'not_ready' ? { status: change.status, reason: change.reason } : { status: change.status };
}

type Shown = Issuance | IssuanceJson | CouponJson;

/** Field by field: the id, the epoch, the user id and the order that redeemed it stay on the server. */
function userCouponOf(one: Shown): UserCoupon {
  const { serial, code, state, issuedAt } = one;
  const grant = 'grant' in one ? { grant: one.grant } : {};
  return { serial, ...grant, code, state, issuedAt: isoOf(issuedAt), ...instantsOf(one) };
}

function instantsOf(one: Shown): Pick<UserCoupon, 'expiresAt' | 'redeemedAt' | 'revokedAt'> {
  const { expiresAt, redeemedAt, revokedAt } = one as Partial<CouponJson>;
  return {
    ...(expiresAt && { expiresAt: isoOf(expiresAt) }),
    ...(redeemedAt && { redeemedAt: isoOf(redeemedAt) }),
    ...(revokedAt && { revokedAt: isoOf(revokedAt) }),
  };
}

const isoOf = (instant: string | Date): string => (typeof instant === 'string' ? instant : instant.toISOString());
