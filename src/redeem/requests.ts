import { assertBoolean, assertText, ownCopy } from '../model/check.js';
import { InvalidArgumentError, invalid } from '../model/errors.js';
import { type Instant, instantMs } from '../model/instants.js';
import type { LifeCall, RevokeCall } from '../model/life.js';
import type { CouponRef } from '../persistence/coupon-change.js';

/** A coupon of one user, by its code or by its id. */
export type OwnCoupon =
  | { readonly userId: string; readonly code: string; readonly id?: undefined }
  | { readonly userId: string; readonly id: string; readonly code?: undefined };

/** A coupon as the shop names it. With a code, `userId` is a check if it is given. */
export type ShopCoupon = OwnCoupon | { readonly code: string; readonly userId?: undefined; readonly id?: undefined };

/** Any caller with the code may use the coupon, as at a till. Limit how often a client may try. */
export interface BearerCoupon {
  readonly code: string;
  readonly bearer: true;
  readonly userId?: undefined;
  readonly id?: undefined;
}

/** A transaction of the caller that a call takes part in. */
export interface WithinTransaction<Client> {
  /**
   * The client of your open transaction, as the adapter takes it: for `pg` the PoolClient that you sent BEGIN on. The answer holds once you commit. No event is
   * told. After a throw, roll back.
   */
  readonly within?: Client | undefined;
}

/** The argument of `redeem()`. */
export type RedeemRequest<Client = never> = WithinTransaction<Client> &
  ((OwnCoupon & { readonly bearer?: undefined }) | BearerCoupon) & {
    /** 1–128 bytes. The order that uses the coupon: a repeat under it finds its own answer. */
    readonly redemptionId: string;
  };

/** The argument of `unredeem()`. */
export type UnredeemRequest<Client = never> = WithinTransaction<Client> &
  ShopCoupon & {
    /** The redemption to undo. It never stands again: a later redeem of it is told `redemption_undone`. */
    readonly redemptionId: string;
  };

/** The argument of `extend()`. */
export type ExtendRequest = ShopCoupon & {
  /** The new end. An end that is later already stays. */
  readonly expiresAt: Instant;
};

/** How coupons are revoked. */
export interface RevokeOptions {
  /** 1–128 bytes. The reason, as your records name it: a repeat under it finds its own answer. One id may serve many coupons. */
  readonly revocationId: string;
  /**
   * `returned`: a new unit goes into the stock, with the next serial. Default `kept`: none does. A pool has none
   * without a new code, and an unlimited campaign needs none.
   */
  readonly unit?: 'kept' | 'returned' | undefined;
  /** Whether the user may have another coupon, by a new request id; default `false`. */
  readonly again?: boolean | undefined;
}

/** The argument of `revoke()`. */
export type RevokeRequest = ShopCoupon & RevokeOptions;

/** A request that was checked. */
export interface CheckedCouponCall {
  readonly ref: CouponRef;
  /** Who asks for the coupon, if it is a user. */
  readonly userId: string | undefined;
  readonly call: LifeCall;
  /** The client of a transaction of the caller. */
  readonly within?: object | undefined;
}

/** Throws `InvalidArgumentError`. */
export function checkedRedeem(campaignId: string, given: RedeemRequest<unknown>): CheckedCouponCall {
  const request = own('redeem', given, ['bearer', 'redemptionId', 'within']);
  if (request.bearer !== undefined && request.bearer !== true) throw invalid('bearer', 'must be true, or absent');
  if (request.bearer && request.userId !== undefined) {
    throw new InvalidArgumentError('redeem() takes userId or bearer: true, not both');
  }
  if (!request.bearer && request.userId === undefined) {
    throw invalid(
      'userId',
      'must be a string, or bearer must be true: then any caller with the code may redeem the coupon',
    );
  }
  assertText('redemptionId', request.redemptionId);
  return named(campaignId, request, { verb: 'redeem', id: request.redemptionId });
}

/** Throws `InvalidArgumentError`. */
export function checkedUnredeem(campaignId: string, given: UnredeemRequest<unknown>): CheckedCouponCall {
  const request = own('unredeem', given, ['redemptionId', 'within']);
  assertText('redemptionId', request.redemptionId);
  return named(campaignId, request, { verb: 'unredeem', id: request.redemptionId });
}

/** Throws `InvalidArgumentError`. */
export function checkedExtend(campaignId: string, given: ExtendRequest): CheckedCouponCall {
  const request = own('extend', given, ['expiresAt']);
  const expiresAt = new Date(instantMs('expiresAt', request.expiresAt));
  return named(campaignId, request, { verb: 'extend', expiresAt });
}

/** Throws `InvalidArgumentError`. */
export function checkedRevoke(campaignId: string, given: RevokeRequest): CheckedCouponCall {
  const request = own('revoke', given, ['revocationId', 'unit', 'again']);
  return named(campaignId, request, revokeCallOf(request));
}

/** The call that revokes, of a request with its options. Throws `InvalidArgumentError`. */
export function revokeCallOf({ revocationId: id, unit = 'kept', again = false }: Fields): RevokeCall {
  assertText('revocationId', id);
  if (unit !== 'kept' && unit !== 'returned') throw invalid('unit', "must be 'kept' or 'returned'");
  assertBoolean('again', again);
  return { verb: 'revoke', id, unit, again: again as boolean };
}

type Fields = Readonly<Record<string, unknown>>;

function own(method: string, given: object, more: readonly string[]): Fields {
  return ownCopy(`the argument of ${method}()`, given, ['userId', 'code', 'id', ...more]) as Fields;
}

function named(campaignId: string, { userId, code, id, within }: Fields, call: LifeCall): CheckedCouponCall {
  if (within !== undefined && !isClient(within)) throw invalid('within', 'must be the client of your transaction');
  if (userId !== undefined) assertText('userId', userId);
  if ((code === undefined) === (id === undefined)) {
    throw new InvalidArgumentError('a coupon is named by its code, or by its id and userId; give one of the two');
  }
  const about = { userId: userId as string | undefined, call, within };
  if (code !== undefined) {
    assertText('code', code);
    return { ...about, ref: userId === undefined ? { campaignId, code } : { campaignId, code, userId } };
  }
  assertText('id', id);
  assertText('userId', userId);
  return { ...about, ref: { campaignId, id, userId } };
}

function isClient(value: unknown): value is object {
  return typeof value === 'function' || (typeof value === 'object' && value !== null);
}
