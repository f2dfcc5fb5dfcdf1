import { assertInteger, assertName, assertText, MAX_TOTAL, ownCopy } from '../model/check.js';
import type { Coupon } from '../model/coupon.js';
import { invalid } from '../model/errors.js';
import { type Instant, instantMs } from '../model/instants.js';

/** The campaigns to look in. */
interface AmongCampaigns {
  /** At most 1,000 campaign ids. Default: every campaign that has a coupon in the table, as this process saw it within the last minute. */
  readonly campaignIds?: readonly string[] | undefined;
}

/** The argument of `issuer.coupons()`. */
export interface BoxRequest extends AmongCampaigns {
  readonly userId: string;
}

/** The argument of `findByCode()`. */
export interface CodeRequest extends AmongCampaigns {
  readonly code: string;
}

/** The argument of `campaign(id).coupons()`. */
export interface CouponFilter {
  /** `issued` and `expired`: by the clock of this process. */
  readonly state?: Coupon['state'] | undefined;
  /** Only coupons that are no longer valid at this instant. A coupon without an end is none. */
  readonly expiringBefore?: Instant | undefined;
  /** Begins after this serial, 0 to 2^53 − 1. Keep the serial of the last coupon you are done with to go on there. */
  readonly afterSerial?: number | undefined;
}

export interface CheckedFilter {
  readonly state: Coupon['state'] | undefined;
  readonly endsByMs: number | undefined;
  readonly afterSerial: number;
}

const STATES: readonly unknown[] = ['issued', 'redeemed', 'expired', 'revoked'];
const MOST_CAMPAIGNS = 1_000;

/** Throws `InvalidArgumentError`. */
export function checkedBox(given: BoxRequest): BoxRequest {
  const { userId, campaignIds } = ownCopy('the argument of coupons()', given, ['userId', 'campaignIds']);
  assertText('userId', userId);
  return { userId, campaignIds: checkedCampaigns(campaignIds) };
}

/** Throws `InvalidArgumentError`. */
export function checkedCode(given: CodeRequest): CodeRequest {
  const { code, campaignIds } = ownCopy('the argument of findByCode()', given, ['code', 'campaignIds']);
  assertText('code', code);
  return { code, campaignIds: checkedCampaigns(campaignIds) };
}

/** Throws `InvalidArgumentError`. */
export function checkedFilter(given: CouponFilter): CheckedFilter {
  const own = ownCopy('the argument of coupons()', given, ['state', 'expiringBefore', 'afterSerial']);
  const { state, expiringBefore, afterSerial = 0 } = own;
  if (state !== undefined && !STATES.includes(state)) {
    throw invalid('state', "must be 'issued', 'redeemed', 'expired' or 'revoked'");
  }
  assertInteger('afterSerial', afterSerial, 0, MAX_TOTAL);
  const endsByMs = expiringBefore === undefined ? undefined : instantMs('expiringBefore', expiringBefore);
  return { state, endsByMs, afterSerial };
}

/** Each of them once. */
function checkedCampaigns(given: readonly string[] | undefined): readonly string[] | undefined {
  if (given === undefined) return undefined;
  if (!Array.isArray(given) || given.length > MOST_CAMPAIGNS) {
    throw invalid('campaignIds', `must be an array of at most ${MOST_CAMPAIGNS} campaign ids`);
  }
  const own = [...new Set(given)];
  for (const id of own) assertName('each of campaignIds', id);
  return own;
}
