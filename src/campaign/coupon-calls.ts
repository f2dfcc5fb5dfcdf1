import type { CouponFilter } from '../box/requests.js';
import type { Coupon, CouponTally } from '../model/coupon.js';
import type { RevokeAllRequest, RevokedAll } from '../operate/revoke-all.js';
import type { ExtendRequest, RedeemRequest, RevokeRequest, UnredeemRequest } from '../redeem/requests.js';
import type { ExtendResult, RedeemResult, RevokeResult, UnredeemResult } from '../redeem/results.js';

/** The calls of a campaign for the coupons that it has given. */
export interface CouponCalls<Client = never> {
  /**
   * Redeems a coupon for an order, or returns the reason for a refusal. Of all calls for one coupon exactly one wins, and
   * each answer stays true. The row in the database decides, also after the campaign is over or purged. Its clock decides
   * whether the coupon has expired. A repeat under the same `redemptionId` finds its own answer.
   *
   * A user redeems by `userId` with `code` or `id`; the code of another user is `not_found`. `bearer: true` lets any caller
   * with the code redeem it: then limit how often a client may try. `within` takes the client of your open transaction: the
   * answer holds once you commit, no event is told, and after a throw you roll back.
   *
   * One statement in the database, shared by calls of the same moment; after a change, two or three. `within`: two to four,
   * shared with no other call. If there is no row, one round trip to Redis. Throws `InvalidArgumentError`,
   * `MisconfiguredError` (an adapter without `look` and `change`, or without `within`), `OverloadedError`, `PersistenceError`,
   * `ClosedError`. Where there is no row and Redis cannot say whether one comes: `RedisError`, `NotReadyError`.
   *
   * @example
   * ```ts
   * const result = await launch.redeem({ userId, code, redemptionId: orderId });
   * if (result.status === 'redeemed') console.log(result.coupon.redeemedAt);
   * ```
   */
  redeem(request: RedeemRequest<Client>): Promise<RedeemResult>;

  /**
   * Undoes a redemption, as after a payment that failed. Afterwards no redemption under this id stands, also none that is
   * still on its way. `not_redeemed`: the coupon was not redeemed under this id, and never will be. A call of the shop: no
   * route may take `redemptionId` from a user.
   *
   * Two statements in the database, shared by calls of the same moment. `within` as in `redeem()`. Throws as `redeem()` does.
   *
   * @example
   * ```ts
   * await launch.unredeem({ code, redemptionId: orderId });
   * ```
   */
  unredeem(request: UnredeemRequest<Client>): Promise<UnredeemResult>;

  /**
   * Moves the end of a coupon to a later instant. An end that is later already stays, so a repeat changes nothing. An
   * expired coupon is valid again. To shorten the time of a coupon is not possible.
   *
   * Two statements in the database, shared by calls of the same moment. Throws as `redeem()` does.
   *
   * @example
   * ```ts
   * await launch.extend({ code, expiresAt: '2031-01-01T00:00:00+09:00' });
   * ```
   */
  extend(request: ExtendRequest): Promise<ExtendResult>;

  /**
   * Revokes a coupon for good: nobody redeems it any more. The row decides; then Redis marks the coupon, or moves its unit
   * and its grant. `unit: 'returned'` puts a new unit into the stock. `again: true` lets the user have another coupon, by a
   * new request id; the old id is told `revoked`. A redeemed coupon stays: undo its redemption first. A call of the shop.
   *
   * A repeat under the same `revocationId` finds its own answer, and finishes the part of Redis. `unit` and `again` of
   * the first call hold. If a process dies between row and Redis, a worker finishes. While Redis is away, a coupon is
   * revoked only if unit and grant stay.
   *
   * Two statements in the database and two round trips to Redis, shared by calls of the same moment. Throws as `redeem()`
   * does, and `CampaignConflictError` (`unit: 'returned'` of a pool; a campaign that is over), `NotReadyError`,
   * `UnknownCampaignError`, `RedisError`: nothing was changed.
   *
   * @example
   * ```ts
   * const result = await launch.revoke({ code, revocationId: 'fraud-7', unit: 'returned' });
   * ```
   */
  revoke(request: RevokeRequest): Promise<RevokeResult>;

  /**
   * Revokes every coupon of many users, or many coupons, as `revoke()` does. If it was stopped, run it again under the same
   * `revocationId`: it is a repeat. It is no ban: a user who asks later gets a coupon, unless `eligible` says no. A
   * user in line keeps the place: end it by `leave()` first.
   *
   * Two statements in the database and two round trips to Redis per 500 coupons. While the queue of this process is full,
   * it waits. A chunk of 500 users costs one statement and one round trip more, and a round trip for each user with an open
   * grant. Where Redis cannot say whether a row comes, the user is in `notSavedYet`. Throws as `revoke()` does but
   * `OverloadedError`, `MisconfiguredError` (users, and an adapter without `listByUser`), the error of the source, and the
   * reason of an aborted signal. What was revoked before stays.
   *
   * @example
   * ```ts
   * const { takenBack, notSavedYet } = await launch.revokeAll({ users: ['kim', 'lee'], revocationId: 'fraud-7' });
   * ```
   */
  revokeAll(request: RevokeAllRequest): Promise<RevokedAll>;

  /**
   * Iterates over the coupons of this campaign in the order of their serials, for an export or for reminders. Rows alone:
   * also after a purge. After an error, go on with `afterSerial`, the serial of the last coupon you are done with.
   *
   * Reads pages of 500 rows and filters them in this process, by its clock: one statement per page. Leaving the loop ends
   * it. A coupon that is saved behind the place of the loop is found by the next one. The call throws
   * `InvalidArgumentError`, `MisconfiguredError` (an adapter without `list`) and `ClosedError`; the iterator throws
   * `PersistenceError` and `ClosedError`.
   *
   * @example
   * ```ts
   * const inThreeDays = new Date(Date.now() + 3 * 86_400_000);
   * for await (const coupon of launch.coupons({ state: 'issued', expiringBefore: inThreeDays })) {
   *   console.log(coupon.userId, coupon.expiresAt);
   * }
   * ```
   */
  coupons(filter?: CouponFilter): AsyncIterableIterator<Coupon>;

  /**
   * Counts the coupons of this campaign by their state, from rows alone. The clock of the database decides which ones have
   * expired; where the adapter has no `count`, the rows are read page by page, and the clock of this process decides.
   *
   * One statement, which reads every row of the campaign and may take a minute; without `count`, one per 500 rows. Throws
   * `MisconfiguredError` (an adapter with neither `count` nor `list`), `PersistenceError`, `ClosedError`.
   *
   * @example
   * ```ts
   * const { issued, redeemed, expired } = await launch.tally();
   * ```
   */
  tally(): Promise<CouponTally>;
}
