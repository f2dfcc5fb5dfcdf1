import type { Coupon } from '../model/coupon.js';

/** There is no row: this call changed nothing, and nothing of it is left behind. */
export type NoRow =
  /** The user has this coupon reserved. Its row is saved in a moment: try again after `retryAfterMs`. */
  | { readonly status: 'not_saved_yet'; readonly retryAfterMs: number }
  /** No such coupon, or not one of this user. */
  | { readonly status: 'not_found' };

/** The answer of `redeem()`. `replayed`: an earlier call redeemed it under the same `redemptionId`. */
export type RedeemResult =
  | { readonly status: 'redeemed'; readonly coupon: Coupon; readonly replayed?: true }
  /** Another redemption has it. */
  | { readonly status: 'already_redeemed'; readonly redeemedAt: Date }
  /** This redemption was undone and never stands again. A new attempt takes a new `redemptionId`. */
  | { readonly status: 'redemption_undone' }
  | { readonly status: 'expired'; readonly expiresAt: Date }
  | { readonly status: 'revoked'; readonly revokedAt: Date }
  | NoRow;

/**
 * The answer of `unredeem()`. After each but those without a row, no redemption under this id stands, now or later. If
 * another redemption has the coupon, its id is not told.
 */
export type UnredeemResult =
  | { readonly status: 'unredeemed'; readonly coupon: Coupon }
  /** It was not redeemed under this id, and never will be. */
  | { readonly status: 'not_redeemed'; readonly coupon: Coupon }
  | NoRow;

/** The answer of `extend()`. */
export type ExtendResult =
  /** The coupon is valid at least until then. */
  | { readonly status: 'extended'; readonly coupon: Coupon }
  | { readonly status: 'revoked'; readonly revokedAt: Date }
  | NoRow;

/** The answer of `revoke()`. After each but those without a row, the coupon is not redeemed by anybody any more, or was before. */
export type RevokeResult =
  /**
   * It is revoked for good. `replayed`: by an earlier call under the same `revocationId`. `stock`: whether Redis knows;
   * `pending`: it was away, or the campaign is being rebuilt.
   */
  | {
      readonly status: 'taken_back';
      readonly coupon: Coupon;
      readonly stock: 'done' | 'pending';
      readonly replayed?: true;
    }
  /** A redemption has it. Undo that first, if its order is cancelled. */
  | { readonly status: 'already_redeemed'; readonly redeemedAt: Date }
  /** Another revocation took it. */
  | { readonly status: 'revoked'; readonly revokedAt: Date }
  | NoRow;

export type CouponResult = RedeemResult | UnredeemResult | ExtendResult | RevokeResult;
