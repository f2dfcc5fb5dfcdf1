import { Quarantine } from './campaign-quarantine.js';
import type { Core } from './core.js';
import { reading, type Source } from './flow/source.js';
import type { IssueRequest } from './issue/request.js';
import { type CampaignDefinition, type CampaignSnapshot, toRules } from './model/campaign-rules.js';
import { assertName } from './model/check.js';
import type { ReconcileReport } from './model/findings.js';
import { checkedPace, type Pace, type PaceChange } from './model/pace.js';
import type { JoinResult, LeaveResult, WaitingChange } from './model/place.js';
import type { IssueResult } from './model/result.js';
import { type CodeReplacement, checkedClose, checkedReplacement, checkedRestock } from './operate/checks.js';
import { type CodeSource, checkedLoad, type LoadOptions, type LoadResult, loadInChunks } from './operate/load-codes.js';
import { checkedOpenOptions, type OpenOptions, open } from './operate/open.js';
import { type UserStatus, userStatus } from './operate/user-status.js';
import { checkedRebuildOptions, type RebuildOptions, type RebuildResult, rebuild } from './recover/rebuild.js';
import { checkedReconcileOptions, type ReconcileOptions, reconcile } from './recover/reconcile.js';
import { closeCampaign, purge, type Restocked, restock, setPace, setPaused } from './redis/operate.js';
import { replaceInPool } from './redis/pool.js';
import type { SettleResult } from './settle/settle.js';
import type { AdmitResult } from './waiting-room/admission.js';
import type { JoinRequest } from './waiting-room/join.js';
import { checkedCount, checkedUser, type WatchRequest } from './waiting-room/room.js';

/**
 * One campaign, by its id: everything it can be asked. `issuer.campaign(id)` makes it without I/O, and it has no state of its own, so make it as often
 * as you like. It stays usable after the campaign was closed, purged or rebuilt.
 */
export class Campaign {
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
   * Opens a campaign, or finds it open with the same definition (`exists`); live stock is never reset. On a campaign without state in Redis the
   * adapter's `list` is asked first: rows there mean that Redis lost it, it does not serve, and `rebuild()` is what makes it again. `skipRowCheck` says
   * that the rows do not matter, and does not ask. The campaign is bound to the database of this process (`identity` of the adapter); `store: 'rebind'` binds
   * one that is bound to another database to this one, under a new epoch.
   *
   * Throws `CampaignConflictError` (another definition, or rows without state), `InvalidArgumentError`, `HookError`, `NotReadyError`, `RedisError`,
   * `ClosedError`.
   * `MisconfiguredError` (a Redis that may evict keys, or a replica; a table that is not fit; another database). Four round trips; for a new campaign twelve,
   * and one to the database.
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
      const rules = toRules(definition, context.has);
      const { leaseMs, timeoutMs, persistence } = this.#core.options;
      const unsafeRedis = this.#core.options.unsafeRedis === 'allow';
      const checks = { leaseMs, timeoutMs, persistence, unsafeRedis, ...checkedOpenOptions(options) };
      return open(context, campaigns, this.id, rules, checks);
    });
  }

  /**
   * Makes a campaign's state in Redis again after Redis lost or rolled back data, from the rows of the database (the adapter's `list`), for a pool also
   * from the codes, given again. What Redis still knows of promises is kept and settled afterwards. Until it is done the campaign answers `not_ready`
   * (`rebuilding`); reservations of before end with an unknown outcome, and their rows, should they appear, are met by the database's unique keys.
   *
   * Run again after it failed, it goes on where it stopped, under the same definition; of two runs at once the later goes on and the other ends with
   * `CampaignConflictError`. Withdrawn units return to the stock. One round trip per 500 rows, reservations or codes, one page of `list` per 500 rows, and
   * nine more. Throws `InvalidArgumentError`, `MisconfiguredError` (no `list`), `HookError` (`list` failed), `CampaignConflictError`, `RedisError`,
   * and the reason of an aborted signal.
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
   * Gives this user a coupon, or says why not. An ordinary day is a value (`IssueResult`); a fault is thrown.
   *
   * Two round trips to Redis, the second one after the answer, and one statement in the database, all shared with whoever asks at the same time.
   * Throws `InvalidArgumentError`, `UnknownCampaignError`, `MisconfiguredError`, `OverloadedError`, `RedisError`, `NotIssuedError`, `HookError`,
   * `ClosedError`, and the reason of an aborted signal. The first call for a campaign reads it, one more round trip.
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
   * Gives this user a place in the line of a campaign with a waiting room, or says why not; joining again keeps the place. `waiting` carries ticket,
   * position and time; who was let through already is told as by `issue()`. Order is by tickets that Redis hands out, not by anybody's clock.
   *
   * One round trip, shared with whoever joins at the same time. Throws `InvalidArgumentError`, `UnknownCampaignError`, `CampaignConflictError` (no waiting
   * room), `MisconfiguredError`, `OverloadedError` (`maxWaiting` wait; no place was taken), `RedisError`, `HookError`, `ClosedError`.
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
   * Gives a user's place in line up. `left`: it is gone, now or by an earlier call; otherwise why there was none: `reserved` and `issued` say that they were let
   * through first. Whoever left may join again, at the end.
   *
   * One round trip. Throws `InvalidArgumentError`, `UnknownCampaignError`, `CampaignConflictError` (no waiting room), `NotReadyError`, `RedisError`.
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
   * What becomes of a user who waits: an async iterator of changes, first of all where they stand now, and last the final answer, after which it ends. It also
   * ends when you leave the loop, when `signal` is aborted, and by `close()`. Watching is a sign of life for `presenceMs`.
   *
   * It keeps the newest change only, so whoever is slow misses steps and never the end. However many watch, one subscription for all on a connection of its own
   * (`redis.duplicate()`) tells when to look; without it they look once a second. One round trip per 500 watchers and look, at most twenty looks a second.
   *
   * Throws `InvalidArgumentError` and `ClosedError` at once; the iterator `UnknownCampaignError` and `CampaignConflictError`. While Redis cannot be reached it waits.
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
   * Lets the first `count` (1–1,000,000) of the line through, in the order of their tickets: one script takes them from the line and reserves for them, then
   * deliver, save and confirm as with `issue()`. Whom it could not finish with is left to settle; nobody goes back into the line.
   *
   * Per batch three round trips to Redis and one statement in the database. Throws `InvalidArgumentError`, `UnknownCampaignError`,
   * `CampaignConflictError` (no waiting room), `MisconfiguredError`, `NotReadyError`, `RedisError` (who was let through then is settled once the lease ran out).
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
   * What a user holds in a campaign, and where they stand if it has a waiting room, for which this is a sign of life. One round trip. Throws
   * `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { status, issuances } = await launch.userStatus({ userId });
   * ```
   */
  async userStatus(query: { userId: string }): Promise<UserStatus> {
    const userId = checkedUser('the query', query);
    return this.#core.on('userStatus', this.id, (serving) => userStatus(serving, this.#core.room, userId));
  }

  /**
   * The campaign at one instant of Redis. One round trip. Throws `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { state, available, reserved, issued } = await launch.inspect();
   * ```
   */
  async inspect(): Promise<CampaignSnapshot> {
    return this.#core.on('inspect', this.id, ({ state }) => state.snapshot());
  }

  /**
   * Loads codes into the pool, 500 a round trip, and 1,000 behind the first 10,000. Codes that were ever loaded are skipped and counted. Under the same `loadId` a load that was
   * interrupted goes on where it stopped. The result counts what this call did.
   *
   * The source is listened to before anything is awaited, and its iterator is closed however the call ends. An error of the source reaches the caller.
   * Throws `InvalidArgumentError` naming the place of a bad code, before anything is written if the codes are an array or a set;
   * `CampaignConflictError` if the campaign has no pool, is closed, or has loaded another list under this `loadId`; `UnknownCampaignError`, `NotReadyError`, `RedisError`, and the reason of an
   * aborted signal.
   *
   * @example
   * ```ts
   * const { loaded, duplicates } = await launch.loadCodes(['AAA-1', 'AAA-2'], { loadId: 'partner, April' });
   * ```
   */
  async loadCodes(codes: CodeSource, options: LoadOptions = {}): Promise<LoadResult> {
    return reading('codes', codes, async (source) => {
      const own = checkedLoad(options, source);
      return this.#core.change('load', this.id, ({ state }) => loadInChunks(state, source, own));
    });
  }

  /**
   * Changes a code that is still in the pool. `code` is taken as it was loaded, `replacement` is checked as by `loadCodes`. `not_in_pool`: it was issued, reserved or never loaded; `duplicate`: the new one is known.
   * One round trip per 500 codes of the pool, and one more. Throws `CampaignConflictError` (no pool), `InvalidArgumentError`,
   * `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { status } = await launch.replaceCode({ code: 'AAA-1', replacement: 'AAA-3' });
   * ```
   */
  async replaceCode(change: CodeReplacement): Promise<{ status: 'replaced' | 'not_in_pool' | 'duplicate' }> {
    const { code, replacement } = checkedReplacement(change);
    return this.#core.on('replaceCode', this.id, async ({ state }) => ({
      status: await replaceInPool(state, code, replacement),
    }));
  }

  /**
   * Adds units to a counted campaign, or takes away (`add` below 0) such as nobody has; seen by the next call. Done once per `requestId`, 1–128 bytes,
   * whatever happens to the reply. A pool gets more codes by `loadCodes`.
   *
   * One round trip. Throws `CampaignConflictError` (not counted, closed, fewer free units than that, or another change under this request id: nothing
   * was changed), `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { total, available } = await launch.restock({ add: 500, requestId: 'second-batch' });
   * ```
   */
  async restock(change: { add: number; requestId: string }): Promise<Restocked> {
    const { add, requestId } = checkedRestock(change);
    return this.#core.change('restock', this.id, ({ state }) => restock(state, requestId, add));
  }

  /**
   * `issue()` answers `paused` from now on; repeats of what was reserved still find their answer. One round trip. Throws
   * `CampaignConflictError` (closed), `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * await launch.pause();
   * ```
   */
  async pause(): Promise<void> {
    await this.#core.change('pause', this.id, ({ state }) => setPaused(state, true));
  }

  /**
   * Ends a pause. One round trip; throws what `pause` throws.
   *
   * @example
   * ```ts
   * await launch.resume();
   * ```
   */
  async resume(): Promise<void> {
    await this.#core.change('resume', this.id, ({ state }) => setPaused(state, false));
  }

  /**
   * Changes how fast workers go through this campaign, all of them together, and returns the pace that holds now. A field that is absent stays as it is,
   * `null` removes its cap. Each worker of every process keeps to it within one `intervalMs`. `inspect()` shows it as `pace`. A campaign that is closed has
   * a pace too, until everything is settled.
   *
   * If waves are changed, a wave that is still among them keeps the places that it has left. Two round trips. Throws `CampaignConflictError` (`admitPerSecond`
   * or `waves` without a waiting room: nothing was changed), `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * await launch.setPace({ savesPerSecond: 100 / 60 });
   * const { savesPerSecond } = await launch.setPace({ savesPerSecond: null });
   * ```
   */
  async setPace(change: PaceChange): Promise<Pace> {
    const fields = checkedPace(change);
    return this.#core.change('setPace', this.id, ({ state }) => setPace(state, fields));
  }

  /**
   * Closes a campaign for good; what is reserved is still settled. With `retainMs` all its keys expire together, that long after the close, once
   * nothing is reserved: a mark that expired earlier would let a user in twice. `retainMs` is 0 to ten years; default: the keys stay. Whoever waits in
   * line is told `closed`, one more round trip per 500, and the keys of such a campaign stay for a minute at least.
   *
   * One round trip, two with `retainMs`. Throws `CampaignConflictError` (closed with another `retainMs`), `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * await launch.closeForGood({ retainMs: 30 * 86_400_000 });
   * ```
   */
  async closeForGood(options: { retainMs?: number | undefined } = {}): Promise<void> {
    const retainMs = checkedClose(options);
    await this.#core.on('closeForGood', this.id, async (serving) => {
      await closeCampaign(serving.state, retainMs);
      if (serving.state.rules.room) await this.#core.room.tend(serving);
    });
  }

  /**
   * Removes a campaign that is over from Redis: all its keys at once, and its entry in the registry. The rows in your database stay. For campaigns that
   * were closed without `retainMs`, and for entries whose keys have expired.
   *
   * Four round trips. Throws `CampaignConflictError` (not closed, or something is reserved: nothing was removed), `InvalidArgumentError`,
   * `UnknownCampaignError`, `RedisError`.
   *
   * @example
   * ```ts
   * await launch.purge();
   * ```
   */
  async purge(): Promise<void> {
    const { campaigns } = this.#core;
    await this.#core.call('purge', () => purge(campaigns.state(this.id)));
    campaigns.forget(this.id);
  }

  /**
   * Finishes every reservation of this campaign whose lease ran out, also after the campaign was closed. Run it when a process died, or every few
   * seconds while the campaign runs; any number of processes may. `issuer.settle()` does so for all campaigns.
   *
   * Two round trips, and per batch of due reservations two more and a save. Throws `UnknownCampaignError`, `MisconfiguredError`, `NotReadyError`,
   * `RedisError`.
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
   * Compares a campaign in Redis with the rows of the database, and the units in Redis with each other. It only looks, unless `repair: 'safe'` is
   * given: then it settles what is due (not the line of write-behind, which workers save at their own rate), writes rows back that Redis has not, and lets
   * settle save again what the database has not. Each finding
   * says what mends it; `String(report)` is for people.
   *
   * May run while coupons are issued; counters and units are compared only if nothing moved meanwhile (`quiet`). Keeps about 500 bytes per issuance in
   * memory. One round trip per 500 rows, 500 grants and 500 free units, one page of `list` per 500 rows, and three more. Throws `HookError` (`list`
   * failed), `MisconfiguredError` (another database than the campaign is bound to), `InvalidArgumentError`, `UnknownCampaignError`,
   * `NotReadyError`, `RedisError`, and the reason of an aborted signal.
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
      await serving.state.snapshot();
      // A table that is not fit can be compared. In another database every row would be missing.
      await this.#core.context.store?.ask().catch(() => {});
      if (own.repair || serving.state.hasOtherStore) await this.#core.campaigns.assertEquipped(serving);
      return reconcile(serving, own, { persistence, timeoutMs, settle: () => this.#core.settleOne(serving) });
    });
  }

  /** Reservations that settle gave up on. Only an operator decides what becomes of them. */
  get quarantine(): Quarantine {
    return new Quarantine(this.#core, this.id);
  }
}
