import { assertLists, couponsIn, type Paged, tallyOf } from './box/pages.js';
import { type CouponFilter, checkedFilter } from './box/requests.js';
import { Quarantine } from './campaign-quarantine.js';
import type { Core } from './core.js';
import { reading, type Source } from './flow/source.js';
import type { IssueRequest } from './issue/request.js';
import type { CampaignDefinition, CampaignSnapshot } from './model/campaign-rules.js';
import { assertName } from './model/check.js';
import type { Coupon, CouponTally } from './model/coupon.js';
import type { ReconcileReport } from './model/findings.js';
import type { Operation } from './model/methods.js';
import { checkedPace, type Pace, type PaceChange } from './model/pace.js';
import type { JoinResult, LeaveResult, WaitingChange } from './model/place.js';
import type { IssueResult } from './model/result.js';
import { type CodeReplacement, checkedClose, checkedReplacement, checkedRestock } from './operate/checks.js';
import { type CodeSource, checkedLoad, type LoadOptions, type LoadResult, loadInChunks } from './operate/load-codes.js';
import { checkedOpenOptions, type OpenOptions, open } from './operate/open.js';
import { checkedRevokeAll, type RevokeAllRequest, type RevokedAll, revokeAll } from './operate/revoke-all.js';
import { type CampaignUpdate, checkedUpdate } from './operate/update.js';
import { type UserStatus, userStatus } from './operate/user-status.js';
import type { ReconcileOptions } from './recover/comparison.js';
import { checkedRebuildOptions, type RebuildOptions, type RebuildResult, rebuild } from './recover/rebuild.js';
import { checkedReconcileOptions, reconcile } from './recover/reconcile.js';
import {
  checkedExtend,
  checkedRedeem,
  checkedRevoke,
  checkedUnredeem,
  type ExtendRequest,
  type RedeemRequest,
  type RevokeRequest,
  type UnredeemRequest,
} from './redeem/requests.js';
import type { ExtendResult, RedeemResult, RevokeResult, UnredeemResult } from './redeem/results.js';
import { keptRules } from './redis/known-campaign.js';
import { closeCampaign, purge, type Restocked, restock, setPace, setPaused } from './redis/operate.js';
import { type CodeLoad, readLoads, replaceInPool } from './redis/pool.js';
import { type RunningRules, updateRules } from './redis/update.js';
import type { SettleResult } from './settle/settle.js';
import type { AdmitResult } from './waiting-room/admission.js';
import type { JoinRequest } from './waiting-room/join.js';
import { checkedCount, checkedUser, type WatchRequest } from './waiting-room/room.js';

/**
 * The handle of one campaign. `issuer.campaign(id)` makes it without I/O. It has no state of its own: make it as often
 * as you like. It stays usable after the campaign is closed, purged or rebuilt. After `issuer.close()` each method
 * throws `ClosedError`.
 */
export class Campaign<Client = never> {
  /** The id that names this campaign within the prefix of the issuer. */
  readonly id: string;
  readonly #core: Core;

  /** @internal */
  constructor(core: Core, id: string) {
    assertName('id', id);
    this.id = id;
    this.#core = core;
  }

  /**
   * Opens a campaign (`opened`), or finds it open with the same definition (`exists`). Live stock is never reset.
   *
   * If Redis has no state of the campaign, the adapter's `list` is asked first. Rows there mean that Redis lost the
   * state. Then `open` throws `CampaignConflictError`, and `rebuild()` makes the state again. `skipRowCheck` leaves
   * this question out. The campaign is bound to the database of this process (`identity` of the adapter).
   * `store: 'rebind'` binds a campaign of another database to this one, under a new epoch.
   *
   * Four round trips; for a new campaign twelve, and one to the database. Throws `MisconfiguredError` for a Redis that
   * may evict keys, a replica, a table that is not fit, and another database. Also throws `CampaignConflictError`
   * (another definition, or rows without state), `InvalidArgumentError`, `HookError` (`list` failed), `NotReadyError`,
   * `RedisError`, `ClosedError`.
   *
   * @example
   * ```ts
   * const { status } = await launch.open({
   *   stock: { kind: 'counted', total: 1000, generateCodes: true },
   *   opensAt: new Date('2030-05-01T10:00:00+09:00'),
   * });
   * ```
   */
  async open(
    definition: CampaignDefinition,
    options: OpenOptions = {},
  ): Promise<{ status: 'opened' | 'exists'; campaign: CampaignSnapshot }> {
    const { context, campaigns } = this.#core;
    return this.#core.call('open', async () => {
      const rules = keptRules(this.id, definition, 'open', campaigns.equipment);
      const { leaseMs, timeoutMs, persistence } = this.#core.options;
      const unsafeRedis = this.#core.options.unsafeRedis === 'allow';
      const checks = { leaseMs, timeoutMs, persistence, unsafeRedis, ...checkedOpenOptions(options) };
      return open(context, campaigns, this.id, rules, checks);
    });
  }

  /**
   * Makes a campaign's state in Redis again after Redis lost or rolled back data. It reads the rows of the database
   * (the adapter's `list`). For a pool, pass the codes again. Reservations that Redis still has keep their units, and
   * settle finishes them afterwards. Until the rebuild ends, the campaign answers `not_ready` (`rebuilding`). A call
   * that was under way ends with an unknown outcome. If its row appears later, the unique keys of the database meet it.
   * Withdrawn units return to the stock.
   *
   * After a failure, run it again under the same definition: it continues where it stopped. Of two runs at once, the
   * later one continues and the other throws `CampaignConflictError`.
   *
   * Costs nine round trips, and one page of `list` per 500 rows. One round trip more per 500 serials, 200 coupons that
   * Redis still has, 500 codes, and 200 codes that Redis knew. Throws `InvalidArgumentError`, `MisconfiguredError` (no
   * `list`), `HookError` (`list` failed), `CampaignConflictError`, `RedisError`, `ClosedError`, and the reason of an
   * aborted signal.
   *
   * @example
   * ```ts
   * const definition = { stock: { kind: 'counted', total: 1000 } } as const;
   * const { campaign, rows } = await launch.rebuild(definition, { onProgress: ({ phase, done }) => console.log(phase, done) });
   * ```
   */
  async rebuild(definition: CampaignDefinition, options: RebuildOptions = {}): Promise<RebuildResult> {
    const own = checkedRebuildOptions(options);
    const parts = { ...this.#core.options, ...this.#core };
    const run = (codes: Source | null) =>
      this.#core.call('rebuild', () => rebuild(this.id, definition, own, codes, parts));
    return own.codes === undefined ? run(null) : reading('codes', own.codes, run);
  }

  /**
   * Gives a user a coupon, or returns the reason for a refusal. A normal outcome is a value (`IssueResult`); a fault is
   * thrown.
   *
   * Costs two round trips to Redis, the second one after the answer, and one statement in the database. Calls of the
   * same moment share all three. The first call for a campaign reads it, and the first call on a connection checks the
   * rights of the Redis user: one more round trip each. Throws `InvalidArgumentError`, `UnknownCampaignError`,
   * `CampaignConflictError` (it has a waiting room: call `join`), `MisconfiguredError`, `OverloadedError`,
   * `RedisError`, `NotIssuedError`, `HookError` (`eligible` failed), `ClosedError`, and the reason of an aborted
   * signal.
   *
   * @example
   * ```ts
   * const result = await launch.issue({ userId: String(user.id), requestId: 'order-7' });
   * switch (result.status) {
   *   case 'issued':
   *     response.status(201).json({ code: result.issuance.code });
   *     break;
   *   default:
   *     response.status(httpStatus(result)).json({ status: result.status });
   * }
   * ```
   */
  issue(request: IssueRequest): Promise<IssueResult> {
    return this.#core.issue(this.id, request);
  }

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
  async redeem(request: RedeemRequest<Client>): Promise<RedeemResult> {
    return this.#core.changeCoupon<RedeemResult>('redeem', this.id, () => checkedRedeem(this.id, request));
  }

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
  async unredeem(request: UnredeemRequest<Client>): Promise<UnredeemResult> {
    return this.#core.changeCoupon<UnredeemResult>('unredeem', this.id, () => checkedUnredeem(this.id, request));
  }

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
  async extend(request: ExtendRequest): Promise<ExtendResult> {
    return this.#core.changeCoupon<ExtendResult>('extend', this.id, () => checkedExtend(this.id, request));
  }

  /**
   * Revokes a coupon for good: nobody redeems it any more. The row decides; then Redis marks the coupon, or moves its unit
   * and its grant. `unit: 'returned'` puts a new unit into the stock. `again: true` lets the user have another coupon, by a
   * new request id; the old id is told `revoked`. A redeemed coupon stays: undo its redemption first. A call of the shop.
   *
   * A repeat under the same `revocationId` finds its own answer, and finishes the part of Redis. If a process dies between
   * the two, a worker does that. While Redis is away, a coupon is revoked only if unit and grant stay.
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
  async revoke(request: RevokeRequest): Promise<RevokeResult> {
    return this.#core.changeCoupon<RevokeResult>('revoke', this.id, () => checkedRevoke(this.id, request));
  }

  /**
   * Revokes every coupon of many users, or many coupons, as `revoke()` does. If it was stopped, run it again under the same
   * `revocationId`: it is a repeat. It is no ban: a user who asks later gets a coupon, unless `eligible` says no.
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
  async revokeAll(request: RevokeAllRequest): Promise<RevokedAll> {
    const { source, ...own } = checkedRevokeAll(request);
    const parts = this.#core.revoking(this.id);
    return reading(own.of, source, (list) => this.#core.call('revokeAll', () => revokeAll(list, own, parts)));
  }

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
  coupons(filter: CouponFilter = {}): AsyncIterableIterator<Coupon> {
    const own = checkedFilter(filter);
    const paged = this.#paged('coupons');
    assertLists(paged);
    this.#core.assertNotClosed();
    return couponsIn(paged, own);
  }

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
  async tally(): Promise<CouponTally> {
    return tallyOf(this.#paged('tally'));
  }

  #paged(operation: Operation): Paged {
    const { persistence: adapter, timeoutMs } = this.#core.options;
    return { campaignId: this.id, adapter, timeoutMs, call: (read) => this.#core.call(operation, read) };
  }

  /**
   * Gives a user a place in the line of a campaign with a waiting room, or returns the reason for a refusal. If the
   * user is in line already, the place is kept. `waiting` carries ticket, position and time. An admitted user gets the
   * answer of `issue()`. Tickets of Redis decide the order; no clock does.
   *
   * One round trip, shared by calls of the same moment. One more if the line was empty: it wakes the workers. Throws
   * `InvalidArgumentError`, `UnknownCampaignError`, `CampaignConflictError` (no waiting room), `MisconfiguredError`,
   * `OverloadedError` (the line has `maxWaiting` users; no place was taken), `RedisError`, `HookError`, `ClosedError`.
   *
   * @example
   * ```ts
   * const result = await launch.join({ userId });
   * if (result.status === 'waiting') console.log(result.position, result.etaMs);
   * ```
   */
  async join(request: JoinRequest): Promise<JoinResult> {
    return this.#core.call('join', () => this.#core.room.join(this.id, request));
  }

  /**
   * Gives up the place of a user in line. `left`: the place is gone, by this call or an earlier one. Any other status
   * is the reason why there was no place: `reserved` and `issued` mean that the user was admitted first. The user may
   * join again, at the end of the line.
   *
   * One round trip, and one more to tell watchers. Throws `InvalidArgumentError`, `UnknownCampaignError`,
   * `CampaignConflictError` (no waiting room), `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { status } = await launch.leave({ userId });
   * ```
   */
  async leave(request: { userId: string }): Promise<LeaveResult> {
    return this.#core.call('leave', () => this.#core.room.leave(this.id, request));
  }

  /**
   * Returns an async iterator over the changes of a waiting user. The first change is the present position; the last
   * one is the final answer. The iterator also ends if you leave the loop, abort `signal` or close the issuer. Watching
   * is a sign of life for `presenceMs`.
   *
   * It keeps only the newest change: a slow reader misses steps and never the end. All watchers share one subscription
   * on a connection of its own (`redis.duplicate()`), which tells the process when to look. Without that connection it
   * looks once a second. One round trip per 500 watchers and look, at most 20 looks a second.
   *
   * The call throws `InvalidArgumentError` and `ClosedError`. The iterator throws `UnknownCampaignError` and
   * `CampaignConflictError`, and `RedisError` if the Redis user lacks a right. While Redis is away, the iterator waits.
   *
   * @example
   * ```ts
   * for await (const change of launch.watch({ userId })) {
   *   if (change.status === 'waiting') console.log(change.position);
   *   if (change.status === 'issued') console.log(change.issuance.code);
   * }
   * ```
   */
  watch(request: WatchRequest): AsyncIterableIterator<WaitingChange> {
    this.#core.assertNotClosed();
    return this.#core.room.watch(this.id, request);
  }

  /**
   * Admits the first `count` users (1–1,000,000) of the line, in the order of their tickets. One script takes them
   * from the line and reserves for them. Deliver, save and confirm follow as in `issue()`. Settle finishes the rest;
   * no user goes back into the line.
   *
   * Two round trips for the line. Per batch two more to Redis, up to two messages to watchers, and one statement in the
   * database. Throws `InvalidArgumentError`, `UnknownCampaignError`, `CampaignConflictError` (no waiting room),
   * `MisconfiguredError`, `NotReadyError`, `RedisError` (settle finishes admitted users after their lease).
   *
   * @example
   * ```ts
   * const result = await launch.admit({ count: 100 });
   * if (result.status === 'admitted') console.log(result.issued, result.waiting);
   * ```
   */
  async admit(options: { count: number }): Promise<AdmitResult> {
    const { room, batchSize } = this.#core;
    return this.#core.call('admit', async () => room.admit(this.id, checkedCount(options), batchSize));
  }

  /**
   * Returns the coupons of a user in this campaign, and their place if it has a waiting room. The call is a sign of
   * life there. One round trip. Throws `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { status, issuances } = await launch.userStatus({ userId });
   * ```
   */
  async userStatus(query: { userId: string }): Promise<UserStatus> {
    const userId = checkedUser('userStatus', query, this.#core.options.persistence);
    return this.#core.on('userStatus', this.id, (serving) => userStatus(serving, this.#core.room, userId));
  }

  /**
   * Returns the campaign at one instant of Redis. One round trip. Throws `UnknownCampaignError`, `NotReadyError`,
   * `RedisError`.
   *
   * @example
   * ```ts
   * const { state, available, reserved, issued } = await launch.inspect();
   * ```
   */
  async inspect(): Promise<CampaignSnapshot> {
    return this.#core.on('inspect', this.id, ({ campaign }) => campaign.inspect());
  }

  /**
   * Loads codes into the pool. Codes that were ever loaded are skipped and counted. Under the same `loadId`, an
   * interrupted load continues where it stopped. The result counts the work of this call alone.
   *
   * One round trip asks how far the load came. Then 500 codes go per round trip, and 1,000 after the first 10,000. The
   * call listens to the source before it awaits anything, and closes its iterator at every end. An error of the source
   * is thrown.
   *
   * Throws `InvalidArgumentError` with the place of a bad code; of an array or a set nothing is written then. Throws
   * `CampaignConflictError` if the campaign has no pool, is closed, or has loaded another list under this `loadId`.
   * Also throws `UnknownCampaignError`, `NotReadyError`, `RedisError`, and the reason of an aborted signal.
   *
   * @example
   * ```ts
   * const { loaded, duplicates } = await launch.loadCodes(['AAA-1', 'AAA-2'], { loadId: 'partner, April' });
   * ```
   */
  async loadCodes(codes: CodeSource, options: LoadOptions = {}): Promise<LoadResult> {
    return reading('codes', codes, async (source) => {
      const own = checkedLoad(options, source);
      return this.#core.change('load', this.id, ({ campaign }) => loadInChunks(campaign, source, own));
    });
  }

  /**
   * Lists the loads of the pool: each `loadId`, and how far its list came. A rebuild forgets them.
   *
   * One round trip per 500 fields of the campaign, each when the loop comes to it. The iterator throws
   * `CampaignConflictError` (no pool), `UnknownCampaignError`, `NotReadyError`, `RedisError`, `ClosedError`.
   *
   * @example
   * ```ts
   * for await (const { loadId, codes } of launch.loads()) console.log(loadId, codes);
   * ```
   */
  async *loads(): AsyncIterableIterator<CodeLoad> {
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const from = cursor;
      const { loads, next } = await this.#core.on('loads', this.id, ({ campaign }) => readLoads(campaign, from));
      for (const load of loads) {
        if (!seen.has(load.loadId)) yield load;
        seen.add(load.loadId);
      }
      cursor = next;
    } while (cursor !== '0');
  }

  /**
   * Replaces a code that is still in the pool. `code` is taken as it was loaded; `replacement` is checked as in
   * `loadCodes`. `not_in_pool`: the code is issued, reserved or was never loaded. `duplicate`: the replacement is known
   * already.
   *
   * One round trip per 500 codes of the pool, and one more. Throws `CampaignConflictError` (no pool),
   * `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { status } = await launch.replaceCode({ code: 'AAA-1', replacement: 'AAA-3' });
   * ```
   */
  async replaceCode(change: CodeReplacement): Promise<{ status: 'replaced' | 'not_in_pool' | 'duplicate' }> {
    const { code, replacement } = checkedReplacement(change);
    return this.#core.on('replaceCode', this.id, async ({ campaign }) => ({
      status: await replaceInPool(campaign, code, replacement),
    }));
  }

  /**
   * Changes the stock of a counted campaign by `add`. A negative number removes units that nobody holds. The next call
   * sees the change. It happens once per `requestId` (1–128 bytes), also if the reply is lost. A pool gets more codes
   * by `loadCodes`.
   *
   * One round trip. Throws `CampaignConflictError` (not counted, closed, too few free units, or another change under
   * this request id; nothing was changed), `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`,
   * `RedisError`.
   *
   * @example
   * ```ts
   * const { total, available } = await launch.restock({ add: 500, requestId: 'second-batch' });
   * ```
   */
  async restock(change: { add: number; requestId: string }): Promise<Restocked> {
    const { add, requestId } = checkedRestock(change);
    return this.#core.change('restock', this.id, ({ shard }) => restock(shard, requestId, add));
  }

  /**
   * Moves the window of a running campaign, or raises its limit per user. Returns the rules that hold now. The next
   * call of every process sees them; with `refusalCacheMs`, after that time. The change happens once per `requestId`
   * (1–128 bytes), also if the reply is lost.
   *
   * `open()` still finds the campaign by the definition that it was opened with, and also by the one that holds now. A
   * later `closesAt` opens a campaign again that closed by time; users of its line have to join again.
   *
   * One round trip, two if it was updated before. Throws `CampaignConflictError`, and nothing was changed, if the
   * campaign is closed for good or would close before it opens. The same if `opensAt` would move although the campaign
   * has opened, if `perUser` would fall, or if the request id has made another change. Also throws
   * `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { closesAt, perUser } = await launch.update({ closesAt: null, perUser: 2, requestId: 'longer' });
   * ```
   */
  async update(change: CampaignUpdate): Promise<RunningRules> {
    const { requestId, changes } = checkedUpdate(change);
    return this.#core.change('update', this.id, ({ shard }) => updateRules(shard, requestId, changes));
  }

  /**
   * Pauses the campaign: `issue()` answers `paused`. A repeat of an earlier call still finds its coupon. One round
   * trip. Throws `CampaignConflictError` (closed for good), `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * await launch.pause();
   * ```
   */
  async pause(): Promise<void> {
    await this.#core.change('pause', this.id, ({ shard }) => setPaused(shard, true));
  }

  /**
   * Ends a pause. One round trip. Throws the errors of `pause`.
   *
   * @example
   * ```ts
   * await launch.resume();
   * ```
   */
  async resume(): Promise<void> {
    await this.#core.change('resume', this.id, ({ shard }) => setPaused(shard, false));
  }

  /**
   * Changes the pace of a campaign: how fast its workers go, all of them together. Returns the pace that holds now. An
   * absent field stays as it is; `null` removes its cap. Each worker of every process follows within one `intervalMs`.
   * `inspect()` shows the pace. A closed campaign has a pace too, until everything is settled.
   *
   * A wave that came keeps the places that it has left, unless the change takes a wave out of the list. Two round
   * trips, one for the first change. Throws `CampaignConflictError` (`admitPerSecond` or `waves` without a waiting
   * room: nothing was changed), `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * await launch.setPace({ savesPerSecond: 100 / 60 });
   * const { savesPerSecond } = await launch.setPace({ savesPerSecond: null });
   * ```
   */
  async setPace(change: PaceChange): Promise<Pace> {
    const fields = checkedPace(change);
    return this.#core.change('setPace', this.id, ({ shard }) => setPace(shard, fields));
  }

  /**
   * Closes a campaign for good. Reservations are still settled. With `retainMs` (0 to ten years), all keys expire
   * together that long after the close, but not while something is reserved. By default the keys stay. Users in line
   * get `closed`: one more round trip per 500 users. The keys of a campaign with a line stay for a minute at least.
   *
   * One round trip, two with `retainMs`. Throws `CampaignConflictError` (closed with another `retainMs`),
   * `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * await launch.closeForGood({ retainMs: 30 * 86_400_000 });
   * ```
   */
  async closeForGood(options: { retainMs?: number | undefined } = {}): Promise<void> {
    const retainMs = checkedClose(options);
    await this.#core.on('closeForGood', this.id, async (serving) => {
      await closeCampaign(serving.shard, retainMs);
      if (serving.campaign.rules.room) await this.#core.room.tend(serving);
    });
  }

  /**
   * Removes a campaign that is closed, for good or by time, from Redis: all its keys at once, and its entry in the
   * registry. The rows in your database stay. Use it for campaigns that were closed without `retainMs`, and for entries
   * with expired keys.
   *
   * Four round trips. Throws `CampaignConflictError` (not closed, or something is reserved: nothing was removed),
   * `UnknownCampaignError`, `RedisError`.
   *
   * @example
   * ```ts
   * await launch.purge();
   * ```
   */
  async purge(): Promise<void> {
    const { campaigns } = this.#core;
    await this.#core.call('purge', () => purge(campaigns.campaign(this.id).shard));
    campaigns.forget(this.id);
  }

  /**
   * Finishes every reservation of this campaign whose lease ran out, and the backlog of write-behind, also after the
   * close. Run it after a process died, or every few seconds while the campaign runs. Any number of processes may run
   * it. `issuer.settle()` settles all campaigns.
   *
   * Two round trips, and per batch of due reservations two more and a save. Throws `UnknownCampaignError`,
   * `MisconfiguredError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { settled, pending } = await launch.settle();
   * ```
   */
  async settle(): Promise<SettleResult> {
    return this.#core.on('settle', this.id, (serving) => this.#core.settleOne(serving));
  }

  /**
   * Compares a campaign in Redis with the rows of the database, and the units in Redis with each other. By default it
   * changes nothing. With `repair: 'safe'` it settles due reservations, but not the backlog of write-behind. It writes
   * back rows that Redis lacks, and makes settle save grants that the database lacks. Each finding names its cure;
   * `String(report)` is for people.
   *
   * It may run while coupons are issued. Counters and units are compared only if nothing changed meanwhile (`quiet`).
   * It keeps about 500 bytes per issuance in memory.
   *
   * One round trip per 500 rows, 500 grants and 500 free units, one page of `list` per 500 rows, and three more. Throws
   * `HookError` (`list` failed), `MisconfiguredError` (another database than the campaign is bound to),
   * `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`, and the reason of an aborted signal.
   *
   * @example
   * ```ts
   * const report = await launch.reconcile();
   * if (report.findings.length > 0) console.error(String(report));
   * ```
   */
  async reconcile(options: ReconcileOptions = {}): Promise<ReconcileReport> {
    const own = checkedReconcileOptions(options);
    const { persistence, timeoutMs } = this.#core.options;
    return this.#core.on('reconcile', this.id, async (serving) => {
      await serving.campaign.inspect();
      // A table that is not fit can be compared. In another database every row would be missing.
      await this.#core.campaigns.equipment.store?.ask().catch(() => {});
      if (own.repair || serving.campaign.hasOtherStore) await this.#core.campaigns.assertEquipped(serving);
      return reconcile(serving, own, { persistence, timeoutMs, settle: () => this.#core.settleOne(serving) });
    });
  }

  /** The reservations that settle gave up on. Only an operator ends them. */
  get quarantine(): Quarantine {
    return new Quarantine(this.#core, this.id);
  }
}
