import { InFlight } from './flow/pending-work.js';
import { reading, type Source } from './flow/source.js';
import type { Steps } from './issue/carry.js';
import { Deliveries } from './issue/deliver.js';
import { Attempts, type IssueRequest } from './issue/request.js';
import { batchedSaves } from './issue/save.js';
import { AdapterStore } from './issue/store.js';
import { type Campaign, type CampaignDefinition, toRules } from './model/campaign-rules.js';
import { assertName } from './model/check.js';
import { ClosedError } from './model/errors.js';
import { type Emit, safeEmit } from './model/events.js';
import type { ReconcileReport } from './model/findings.js';
import type { Operation } from './model/methods.js';
import type { JoinResult, LeaveResult, WaitingChange } from './model/place.js';
import type { IssueResult } from './model/result.js';
import { type CodeReplacement, checkedClose, checkedReplacement, checkedRestock } from './operate/checks.js';
import { type CodeSource, checkedLoad, type LoadOptions, type LoadResult, loadInChunks } from './operate/load-codes.js';
import { checkedOpenOptions, type OpenOptions, openCampaign } from './operate/open.js';
import { statusOf, type UserStatus } from './operate/user-status.js';
import { type CheckedOptions, type CouponIssuerOptions, checkedOptions } from './options.js';
import { checkedRebuildOptions, type RebuildOptions, type RebuildResult, rebuild } from './recover/rebuild.js';
import { checkedReconcileOptions, type ReconcileOptions, reconcile } from './recover/reconcile.js';
import * as admin from './redis/admin.js';
import { type RedisContext, redisContext } from './redis/campaign-state.js';
import { Campaigns } from './redis/campaigns.js';
import type { Serving } from './redis/serving.js';
import {
  checkedChoice,
  type QuarantineChoice,
  type QuarantinedIssuance,
  quarantined,
  retry,
  withdrawChosen,
} from './settle/quarantine.js';
import {
  type Finding,
  type SettleOptions,
  type SettleResult,
  settle,
  settleAll,
  settleBatch,
} from './settle/settle.js';
import type { AdmitResult } from './waiting-room/admission.js';
import type { JoinRequest } from './waiting-room/join.js';
import { checkedCount, checkedUser, WaitingRoom, type WatchRequest } from './waiting-room/room.js';
import { checkedWorkerOptions, type WorkerOptions } from './worker/options.js';
import { type SettleWorker, Worker } from './worker/worker.js';

/** Among a million reservations a claim of this many keeps Redis at work for about 3 ms. */
const CLAIMED_AT_ONCE = 250;

/**
 * Gives out a limited number of coupons to many people who ask at once. `issued` means: the row is committed in your database.
 *
 * One instance per process and Redis. It has no timers and no hidden life before you start a worker; many instances may share campaigns.
 *
 * @example
 * ```ts
 * const issuer = new CouponIssuer({ redis: new Redis(), persistence: new PostgresPersistence(pool) });
 * await issuer.openCampaign({ id: 'launch', stock: { kind: 'counted', total: 1000 } });
 * const result = await issuer.issue({ campaignId: 'launch', userId: String(user.id) });
 * ```
 */
export class CouponIssuer {
  readonly #options: CheckedOptions;
  readonly #campaigns: Campaigns;
  readonly #context: RedisContext;
  readonly #emit: Emit;
  readonly #steps: Steps;
  readonly #inFlight = new InFlight();
  readonly #attempts: Attempts;
  readonly #workers = new Set<Worker>();
  readonly #room: WaitingRoom;
  #closed = false;

  /** Does no I/O. Throws `InvalidArgumentError` for an option outside its range. */
  constructor(options: CouponIssuerOptions) {
    this.#options = checkedOptions(options);
    const { redis, prefix, timeoutMs, persistence, deliver, maxBatch, maxInFlight, maxQueued, refusalCacheMs } =
      this.#options;
    const { eligible, maxTries } = this.#options;
    const replicas = this.#options.replicas ?? null;
    const observed = safeEmit(this.#options.onEvent);
    this.#emit = (event) => {
      if (event.type === 'settled') this.#room.settled(event.campaignId);
      if (event.type === 'fault') for (const worker of this.#workers) worker.noteFault(event);
      observed(event);
    };
    const emit = this.#emit;
    const saves = persistence ? batchedSaves(persistence, { maxBatch, maxInFlight, emit }) : null;
    const deliveries = deliver ? new Deliveries(deliver, this.#options.maxDeliveries, emit) : null;
    const hasHooks = Boolean(deliver || this.#options.onEvent);
    this.#steps = { saves, deliveries, hasHooks, recall: this.#options.recall, timeoutMs, emit };
    const has = (['deliver', 'persistence'] as const).filter((need) => this.#options[need]);
    const store = persistence ? new AdapterStore(persistence, timeoutMs) : null;
    const assertLost: RedisContext['assertLost'] = (...of) => this.#campaigns.assertLost(...of);
    this.#context = redisContext(redis, { prefix, timeoutMs, has, store, assertLost });
    const room = async (campaignId: string) => {
      await deliveries?.room(campaignId);
      await saves?.room(campaignId);
    };
    this.#campaigns = new Campaigns(this.#context, {
      maxBatch,
      maxInFlight,
      maxQueued,
      room,
      replicas,
      refusalCacheMs,
      emit,
    });
    const [steps, inFlight] = [this.#steps, this.#inFlight];
    this.#attempts = new Attempts({ campaigns: this.#campaigns, steps, inFlight, eligible, timeoutMs });
    this.#room = new WaitingRoom({
      redis,
      context: this.#context,
      campaigns: this.#campaigns,
      lines: { maxBatch, maxInFlight, maxQueued },
      eligible,
      steps,
      timeoutMs,
      maxTries,
      room,
      track: (work) => inFlight.track(work),
    });
  }

  /**
   * Opens a campaign, or finds it open with the same definition (`exists`); live stock is never reset. On a campaign without state in Redis the
   * adapter's `list` is asked first: rows there mean that Redis lost it, it does not serve, and `rebuild()` is what makes it again. `isNew` says
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
   * const { status } = await issuer.openCampaign({
   *   id: 'launch',
   *   stock: { kind: 'counted', total: 1000, generateCodes: true },
   *   opensAt: new Date('2030-05-01T10:00:00+09:00'),
   * });
   * ```
   */
  async openCampaign(
    definition: CampaignDefinition,
    options: OpenOptions = {},
  ): Promise<{ status: 'opened' | 'exists'; campaign: Campaign }> {
    this.#assertNotClosed();
    const { id, rules } = toRules(definition, this.#context.has);
    const { leaseMs, timeoutMs, persistence } = this.#options;
    const unsafeRedis = this.#options.unsafeRedis === 'allow';
    const checks = { leaseMs, timeoutMs, persistence, unsafeRedis, ...checkedOpenOptions(options) };
    return this.#inFlight.call('open', openCampaign(this.#context, this.#campaigns, id, rules, checks));
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
   * const { loaded, duplicates } = await issuer.loadCodes('launch', ['AAA-1', 'AAA-2'], { loadId: 'partner, April' });
   * ```
   */
  async loadCodes(id: string, codes: CodeSource, options: LoadOptions = {}): Promise<LoadResult> {
    return reading('codes', codes, async (source) => {
      const own = checkedLoad(options, source);
      return this.#change('load', id, ({ state }) => loadInChunks(state, source, own));
    });
  }

  /**
   * Changes a code that is still in the pool. `code` is taken as it was loaded, `replacement` is checked as by `loadCodes`. `not_in_pool`: it was issued, reserved or never loaded; `duplicate`: the new one is known.
   * One round trip per 500 codes of the pool, and one more. Throws `CampaignConflictError` (no pool), `InvalidArgumentError`,
   * `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { status } = await issuer.replaceCode({ campaignId: 'launch', code: 'AAA-1', replacement: 'AAA-3' });
   * ```
   */
  async replaceCode(change: CodeReplacement): Promise<{ status: 'replaced' | 'not_in_pool' | 'duplicate' }> {
    const { campaignId, code, replacement } = checkedReplacement(change);
    return this.#administer('replaceCode', campaignId, async ({ state }) => ({
      status: await admin.replaceInPool(state, code, replacement),
    }));
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
   * const result = await issuer.issue({ campaignId: 'launch', userId: String(user.id), requestId: 'order-7' });
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
    if (this.#closed) return Promise.reject(closed());
    return this.#attempts.issue(request);
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
   * const result = await issuer.join({ campaignId: 'launch', userId });
   * if (result.status === 'waiting') console.log(result.position, result.etaMs);
   * ```
   */
  async join(request: JoinRequest): Promise<JoinResult> {
    this.#assertNotClosed();
    return this.#inFlight.call('join', this.#room.join(request));
  }

  /**
   * Gives a user's place in line up. `left`: it is gone, now or by an earlier call; otherwise why there was none: `reserved` and `issued` say that they were let
   * through first. Whoever left may join again, at the end.
   *
   * One round trip. Throws `InvalidArgumentError`, `UnknownCampaignError`, `CampaignConflictError` (no waiting room), `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { status } = await issuer.leave({ campaignId: 'launch', userId });
   * ```
   */
  async leave(request: { campaignId: string; userId: string }): Promise<LeaveResult> {
    this.#assertNotClosed();
    return this.#inFlight.call('leave', this.#room.leave(request));
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
   * const result = await issuer.admit('launch', { count: 100 });
   * if (result.status === 'admitted') console.log(result.issued, result.waiting);
   * ```
   */
  async admit(campaignId: string, options: { count: number }): Promise<AdmitResult> {
    this.#assertNotClosed();
    assertName('campaignId', campaignId);
    return this.#inFlight.call('admit', this.#room.admit(campaignId, checkedCount(options), this.#batchSize));
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
   * for await (const change of issuer.watch({ campaignId: 'launch', userId })) {
   *   if (change.status === 'waiting') console.log(change.position);
   *   if (change.status === 'issued') console.log(change.issuance.code);
   * }
   * ```
   */
  watch(request: WatchRequest): AsyncIterableIterator<WaitingChange> {
    this.#assertNotClosed();
    return this.#room.watch(request);
  }

  /**
   * What a user holds in a campaign, and where they stand if it has a waiting room, for which this is a sign of life. One round trip. Throws
   * `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { status, issuances } = await issuer.status({ campaignId: 'launch', userId });
   * ```
   */
  async status(query: { campaignId: string; userId: string }): Promise<UserStatus> {
    const { campaignId, userId } = checkedUser('the query', query);
    return this.#administer('status', campaignId, (serving) => statusOf(serving, this.#room, userId));
  }

  /**
   * The campaign at one instant of Redis. One round trip. Throws `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { state, available, reserved, issued } = await issuer.inspect('launch');
   * ```
   */
  async inspect(id: string): Promise<Campaign> {
    return this.#administer('inspect', id, (serving) => admin.readCampaign(serving.state));
  }

  /**
   * Finishes every reservation whose lease ran out: of one campaign, or of all in the registry, closed ones too. Run it when a process died, and
   * every few seconds while a campaign runs; any number of processes may.
   *
   * Without an id, a campaign that cannot be settled does not stop the others; its error is thrown at the end. Per campaign two round trips, and
   * per batch of due reservations two more and a save. Throws `MisconfiguredError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const settling = setInterval(() => issuer.settle().catch((error) => console.error(error)), 5_000);
   * ```
   */
  async settle(id?: string): Promise<SettleResult> {
    if (id !== undefined) return this.#administer('settle', id, (serving) => this.#settleOne(serving));
    this.#assertNotClosed();
    return this.#inFlight.call(
      'settle',
      settleAll(this.#context, this.#campaigns, (serving) => this.#settleOne(serving), this.#emit),
    );
  }

  /**
   * Starts a worker that settles what is due, at once and then every `intervalMs`: the line of write-behind campaigns, first come, first served, and
   * leases that ran out; of open campaigns, and of closed ones with something left. It also lets people through who wait in line (`admitPerSecond`,
   * `waves`). Any number may run, in any number of processes.
   *
   * While the database fails it tries two reservations at a time and waits longer each time, up to 30 s; each failure is a `fault` event. What
   * is refused `maxTries` times goes into quarantine. Per campaign and interval one or two round trips, and per batch two more and a save.
   * Throws `InvalidArgumentError`, `ClosedError`. `close()` stops it.
   *
   * @example
   * ```ts
   * const worker = issuer.startWorker({ maxSavesPerSecond: 100 / 60 });
   * process.once('SIGTERM', () => worker.stop());
   * ```
   */
  startWorker(options: WorkerOptions = {}): SettleWorker {
    this.#assertNotClosed();
    const checked = checkedWorkerOptions(options, this.#batchSize);
    const perSecond = checked.maxSavesPerSecond ?? null;
    const worker = new Worker(
      {
        context: this.#context,
        campaigns: this.#campaigns,
        settleBatch: (serving, size, healthy) =>
          settleBatch(serving, this.#steps, this.#settling(size, perSecond), healthy),
        room: {
          admitBatch: (serving, size, healthy) => this.#room.admitBatch(serving, size, checked.pace, healthy),
          tend: (serving) => this.#room.tend(serving),
          onJoined: (campaignId, wake) => this.#room.onJoined(campaignId, wake),
        },
        track: (work) => this.#inFlight.track(work),
        emit: this.#emit,
      },
      checked,
    );
    this.#workers.add(worker);
    worker.stopped.then(() => this.#workers.delete(worker));
    return worker;
  }

  /**
   * What settle failed on for the last time: each keeps its unit until you retry or withdraw it. One round trip per 500. Throws
   * `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * for (const { issuance, tries } of await issuer.listQuarantined('launch')) console.log(issuance.userId, tries);
   * ```
   */
  async listQuarantined(campaignId: string): Promise<readonly QuarantinedIssuance[]> {
    return this.#administer('listQuarantined', campaignId, quarantined);
  }

  /**
   * Lets settle try them again, as if they had never failed. Two round trips per 500; throws what `listQuarantined` throws.
   *
   * @example
   * ```ts
   * const { retried } = await issuer.retryQuarantined({ campaignId: 'launch' });
   * ```
   */
  async retryQuarantined(choice: QuarantineChoice): Promise<{ retried: number }> {
    const own = checkedChoice(choice);
    return this.#administer('retryQuarantined', own.campaignId, async (serving) => ({
      retried: await retry(serving, own),
    }));
  }

  /**
   * Takes the units out of the stock for good, and frees the users to ask again. What your adapter can `find` was saved after all: it stays, and is left to
   * settle. Make sure that the other rows will not appear: an attempt whose outcome is unknown may still be under way. If the campaign delivers,
   * `recall` is called for each; a `withdrawn` event names each unit. Two round trips per 500, and one `find`; throws what `listQuarantined` throws.
   *
   * @example
   * ```ts
   * const ids = (await issuer.listQuarantined('launch')).map(({ issuance }) => issuance.id);
   * const { withdrawn } = await issuer.withdrawQuarantined({ campaignId: 'launch', ids });
   * ```
   */
  async withdrawQuarantined(choice: QuarantineChoice): Promise<{ withdrawn: number }> {
    const own = checkedChoice(choice);
    return this.#administer('withdrawQuarantined', own.campaignId, async (serving) => {
      await this.#campaigns.assertEquipped(serving); // Another database would say that nothing was saved.
      return { withdrawn: await withdrawChosen(serving, own, this.#steps, this.#finding) };
    });
  }

  /**
   * `issue()` answers `paused` from now on; repeats of what was reserved still find their answer. One round trip. Throws
   * `CampaignConflictError` (closed), `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * await issuer.pause('launch');
   * ```
   */
  async pause(id: string): Promise<void> {
    await this.#change('pause', id, ({ state }) => admin.setPaused(state, true));
  }

  /**
   * Ends a pause. One round trip; throws what `pause` throws.
   *
   * @example
   * ```ts
   * await issuer.resume('launch');
   * ```
   */
  async resume(id: string): Promise<void> {
    await this.#change('resume', id, ({ state }) => admin.setPaused(state, false));
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
   * await issuer.closeCampaign({ id: 'launch', retainMs: 30 * 86_400_000 });
   * ```
   */
  async closeCampaign(options: { id: string; retainMs?: number | undefined }): Promise<void> {
    const { id, retainMs } = checkedClose(options);
    await this.#administer('close', id, async (serving) => {
      await admin.closeCampaign(serving.state, retainMs ?? null);
      if (serving.state.rules.room) await this.#room.tend(serving);
    });
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
   * const { total, available } = await issuer.restock({ id: 'launch', add: 500, requestId: 'second-batch' });
   * ```
   */
  async restock(change: { id: string; add: number; requestId: string }): Promise<admin.Restocked> {
    const { id, add, requestId } = checkedRestock(change);
    return this.#change('restock', id, ({ state }) => admin.restock(state, requestId, add));
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
   * const definition = { id: 'launch', stock: { kind: 'counted', total: 1000 } } as const;
   * const { campaign, rows } = await issuer.rebuild(definition, { onProgress: ({ phase, done }) => console.log(phase, done) });
   * ```
   */
  async rebuild(definition: CampaignDefinition, options: RebuildOptions = {}): Promise<RebuildResult> {
    const own = checkedRebuildOptions(options);
    const parts = { ...this.#options, context: this.#context, campaigns: this.#campaigns, emit: this.#emit };
    const run = async (codes: Source | null) => {
      this.#assertNotClosed();
      return this.#inFlight.call('rebuild', rebuild(definition, own, codes, parts));
    };
    return own.codes === undefined ? run(null) : reading('codes', own.codes, run);
  }

  /**
   * Compares a campaign in Redis with the rows of the database, and the units in Redis with each other. It only looks, unless `repair: 'safe'` is
   * given: then it settles what is due (not the line of write-behind, which workers save at their own rate), writes rows back that Redis has not, and lets
   * settle save again what the database has not. Each finding
   * says what mends it; `String(report)` is for people.
   *
   * May run while coupons are issued; counters and units are compared only if nothing moved meanwhile (`quiet`). Keeps about 500 bytes per issuance in
   * memory. One round trip per 500 rows, 500 grants and 500 free units, one page of `list` per 500 rows, and three more. Throws `HookError` (`list`
   * failed), `MisconfiguredError` (another database than the campaign is bound to), `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`, and the reason of an aborted signal.
   *
   * @example
   * ```ts
   * const report = await issuer.reconcile('launch');
   * if (report.findings.length > 0) console.error(String(report));
   * ```
   */
  async reconcile(id: string, options: ReconcileOptions = {}): Promise<ReconcileReport> {
    const own = checkedReconcileOptions(options);
    const { persistence, timeoutMs } = this.#options;
    return this.#administer('reconcile', id, async (serving) => {
      await admin.readCampaign(serving.state);
      // A table that is not fit can be compared. In another database every row would be missing.
      await this.#context.store?.ask().catch(() => {});
      if (own.repair || serving.state.hasOtherStore) await this.#campaigns.assertEquipped(serving);
      return reconcile(serving, own, { persistence, timeoutMs, settle: () => this.#settleOne(serving) });
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
   * await issuer.purge('launch');
   * ```
   */
  async purge(id: string): Promise<void> {
    this.#assertNotClosed();
    assertName('campaignId', id);
    await this.#inFlight.call('purge', admin.purge(this.#campaigns.state(id)));
    this.#campaigns.forget(id);
  }

  /**
   * Resolves when nothing that this issuer started is in flight, confirms included.
   *
   * @example
   * ```ts
   * await issuer.idle();
   * const { reserved } = await issuer.inspect('launch');
   * ```
   */
  async idle(): Promise<void> {
    await this.#inFlight.idle();
  }

  /**
   * Refuses new calls with `ClosedError`, stops the workers and finishes what is in flight. The client stays open: it is yours. Also as `await using`.
   *
   * @example
   * ```ts
   * await issuer.close();
   * redis.disconnect();
   * ```
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#room.close();
    await Promise.all([...this.#workers].map((worker) => worker.stop()));
    await this.#inFlight.idle();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #settleOne(serving: Serving): Promise<SettleResult> {
    await this.#campaigns.assertEquipped(serving);
    return settle(serving, this.#steps, this.#settling(this.#batchSize, null));
  }

  /** What is claimed is delivered at once, so no more of it than deliveries may run. */
  get #batchSize(): number {
    const { maxBatch, maxDeliveries } = this.#options;
    return Math.min(maxBatch, CLAIMED_AT_ONCE, this.#steps.deliveries ? maxDeliveries : maxBatch);
  }

  #settling(batchSize: number, perSecond: number | null): SettleOptions {
    const { maxTries } = this.#options;
    return { ...this.#finding, batchSize, perSecond, maxTries, closing: () => this.#closed };
  }

  get #finding(): Finding {
    const { timeoutMs, persistence } = this.#options;
    return { timeoutMs, find: persistence?.find?.bind(persistence) };
  }

  async #administer<T>(operation: Operation, id: string, act: (serving: Serving) => Promise<T>): Promise<T> {
    this.#assertNotClosed();
    assertName('campaignId', id);
    return this.#inFlight.call(operation, (async () => act(await this.#campaigns.get(id)))());
  }

  /** The same for what those who wait have to know. */
  #change<T>(operation: Operation, id: string, act: (serving: Serving) => Promise<T>): Promise<T> {
    return this.#administer(operation, id, async (serving) => {
      const result = await act(serving);
      this.#room.changed(serving);
      return result;
    });
  }

  #assertNotClosed(): void {
    if (this.#closed) throw closed();
  }
}

function closed(): ClosedError {
  return new ClosedError('this issuer was closed');
}
