import { type BoxRequest, type CodeRequest, checkedBox, checkedCode } from './box/requests.js';
import type { Cache } from './cache/cache.js';
import type { CacheOptions } from './cache/options.js';
import type { Campaign } from './campaign/campaign.js';
import { CampaignHandle } from './campaign/handle.js';
import { Core } from './core.js';
import { diagnose } from './doctor/diagnose.js';
import type { Diagnosis } from './doctor/diagnosis.js';
import type { Coupon } from './model/coupon.js';
import { type AuditEvent, checkedAudit } from './model/events.js';
import { assertReady } from './operate/check.js';
import {
  checkedListing,
  type ListCampaignsOptions,
  type ListedCampaign,
  listCampaigns,
} from './operate/list-campaigns.js';
import { type CouponIssuerOptions, checkedOptions } from './options.js';
import { listWorkers, type WorkerSeen } from './redis/workers.js';
import { type SettleResult, settleAll, settleBatch } from './settle/settle.js';
import { checkedWorkerOptions, type WorkerOptions } from './worker/options.js';
import { type SettleWorker, Worker } from './worker/worker.js';

/**
 * Issues a limited number of coupons to many users at once. `issued` means: the row is committed in your database.
 *
 * Use one instance per process and Redis. It has no timers before you start a worker. Many instances may share
 * campaigns.
 *
 * @example
 * ```ts
 * const issuer = new CouponIssuer({ redis: new Redis(), persistence: new PostgresPersistence(pool) });
 * const launch = issuer.campaign('launch');
 * await launch.open({ stock: { kind: 'counted', total: 1000 } });
 * const result = await launch.issue({ userId: String(user.id) });
 * ```
 */
export class CouponIssuer<Client = never> {
  /** Random, and another one for each instance. Messages of the channel `coupon-issuer:event` name it as `issuerId`. */
  readonly id: string;
  readonly #core: Core;
  #checking: Promise<void> | null = null;

  /** Does no I/O. Throws `InvalidArgumentError` for an option outside its range. */
  constructor(options: CouponIssuerOptions<Client>) {
    this.#core = new Core(checkedOptions(options));
    this.id = this.#core.id;
  }

  /**
   * Returns the handle of a campaign. The id matches `[A-Za-z0-9._-]{1,64}`; the campaign need not be open yet. No I/O.
   * Throws `InvalidArgumentError`.
   *
   * @example
   * ```ts
   * const launch = issuer.campaign('launch');
   * ```
   */
  campaign(id: string): Campaign<Client> {
    return new CampaignHandle(this.#core, id);
  }

  /**
   * Lists every campaign of the registry, for dashboards and tools. A whole campaign is listed as `inspect()` shows it.
   * If it is not whole, `ready` is `false`, `state` says why, and the list goes on. The order is not defined.
   *
   * One round trip per campaign, `concurrency` of them at a time (1–64, default 8), and one per page of about 500 ids.
   * Nothing is read after you leave the loop. The call throws `InvalidArgumentError` and `ClosedError`; the iterator
   * throws `ClosedError`, and `RedisError` if the registry cannot be read.
   *
   * @example
   * ```ts
   * for await (const campaign of issuer.campaigns()) {
   *   if (campaign.ready) console.log(campaign.id, campaign.state, campaign.available, campaign.pace.savesPerSecond);
   *   else console.error(campaign.id, campaign.state);
   * }
   * ```
   */
  campaigns(options: ListCampaignsOptions = {}): AsyncIterableIterator<ListedCampaign> {
    this.#core.assertNotClosed();
    const { context, campaigns } = this.#core;
    const call: Core['call'] = (operation, work) => this.#core.call(operation, work);
    return listCampaigns({ context, campaigns, call }, checkedListing(options));
  }

  /**
   * Returns the coupons of a user in all campaigns, as their rows show them: the newest first, at most 500. A coupon that
   * was used, revoked or expired is among them; one that is only reserved is not. Redis is not asked, so campaigns that are
   * over or purged count too.
   *
   * A campaign that another process opened may be missing until a minute after its first coupon; `campaignIds` names it at
   * once. One statement per 500 campaigns; once a minute, one more for the list of campaigns. Throws
   * `InvalidArgumentError`, `MisconfiguredError` (an adapter without `listByUser`, or without `campaigns` where no
   * `campaignIds` are given), `PersistenceError`, `ClosedError`.
   *
   * @example
   * ```ts
   * const coupons = await issuer.coupons({ userId });
   * const usable = coupons.filter(({ state }) => state === 'issued');
   * ```
   */
  async coupons(request: BoxRequest): Promise<readonly Coupon[]> {
    const own = checkedBox(request);
    return this.#core.call('coupons', () => this.#core.box.ofUser(own));
  }

  /**
   * Returns the coupons that have this code, mostly one: campaigns may have the same code. For a checkout or a till, which
   * has a code and no campaign. A call of the shop: the answer names the user and the order of a coupon.
   *
   * A coupon of a campaign that another process opened may be missing for a second. If another campaign has the same code,
   * that may be a minute. `campaignIds` names it at once.
   *
   * One statement per 500 campaigns; once a minute, and for a code that is found nowhere, one more for the list of
   * campaigns. Limit how often a client may try. Throws `InvalidArgumentError`, `MisconfiguredError` (an adapter without
   * `look`, or without `campaigns` where no `campaignIds` are given), `PersistenceError`, `ClosedError`.
   *
   * @example
   * ```ts
   * const [coupon] = await issuer.findByCode({ code });
   * if (coupon) await issuer.campaign(coupon.campaignId).redeem({ code, bearer: true, redemptionId: orderId });
   * ```
   */
  async findByCode(request: CodeRequest): Promise<readonly Coupon[]> {
    const own = checkedCode(request);
    return this.#core.call('findByCode', () => this.#core.box.ofCode(own));
  }

  /**
   * Makes a cache of your own data, for `eligible` and for anything else that is read often: a grade, a block list. Each
   * value is loaded once over all processes, refreshed before it expires, and gone once `invalidate` returns.
   *
   * Make each cache once, and keep it. No I/O. Throws `InvalidArgumentError` for an option outside its range and for a
   * name that this issuer has already, and `ClosedError`. `close()` closes it too.
   *
   * @example
   * ```ts
   * const grades = issuer.cache({
   *   name: 'grade',
   *   ttlMs: 60_000,
   *   load: async (userId) => (await pool.query('SELECT grade FROM customers WHERE id = $1', [userId])).rows[0] ?? null,
   * });
   * const customer = await grades.get('kim');
   * ```
   */
  cache<V>(options: CacheOptions<V>): Cache<V> {
    this.#core.assertNotClosed();
    return this.#core.caches.make(options);
  }

  /**
   * Finishes every reservation whose lease ran out, and the backlog of write-behind, in all campaigns, closed ones too.
   * It keeps to no pace. Run it after a process died, and every few seconds while campaigns run. Any number of
   * processes may run it. `campaign(id).settle()` settles one campaign.
   *
   * If a campaign cannot be settled, the others are settled first; then its error is thrown. One round trip per 500 ids
   * of the registry, two per campaign, and per batch of due reservations two more and a save. Throws
   * `MisconfiguredError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const settling = setInterval(() => issuer.settle().catch((error) => console.error(error)), 5_000);
   * ```
   */
  async settle(): Promise<SettleResult> {
    const { context, campaigns, emit } = this.#core;
    return this.#core.call('settle', () =>
      settleAll(context, campaigns, (serving) => this.#core.settleOne(serving), emit),
    );
  }

  /**
   * Starts a worker. At once, and then every `intervalMs`, it settles due reservations: leases that ran out, and the
   * backlog of write-behind in order. Closed campaigns are included until nothing is left. It also admits users from
   * waiting rooms. Any number of workers may run, in any number of processes. The pace of a campaign
   * (`campaign(id).setPace()`) caps all of them together.
   *
   * While the database fails, it tries two reservations at a time and waits longer each time, up to 30 s. Each failure
   * is a `fault` event. After `maxTries` refusals, a reservation goes into quarantine. One round trip per interval, per
   * campaign and interval one or two, and per batch two more and a save. Throws `InvalidArgumentError`, `ClosedError`. `close()` stops
   * it.
   *
   * @example
   * ```ts
   * const worker = issuer.startWorker({ intervalMs: 500 });
   * process.once('SIGTERM', () => worker.stop());
   * ```
   */
  startWorker(options: WorkerOptions = {}): SettleWorker {
    this.#core.assertNotClosed();
    const { context, campaigns, steps, room, pending, emit, workers } = this.#core;
    const checked = checkedWorkerOptions(options, this.#core.batchSize);
    const worker = new Worker(
      {
        context,
        campaigns,
        settleBatch: (serving, size, healthy) => settleBatch(serving, steps, this.#core.settling(size, true), healthy),
        room: {
          admitBatch: (serving, size, healthy) => room.admitBatch(serving, size, true, healthy),
          tend: (serving) => room.tend(serving),
          onJoined: (campaignId, wake) => room.onJoined(campaignId, wake),
        },
        track: (work) => pending.track(work),
        emit,
      },
      checked,
    );
    workers.add(worker);
    worker.stopped.then(() => workers.delete(worker));
    return worker;
  }

  /**
   * Returns the workers that run under this prefix, of all processes. Each notes once an interval that it is there, and
   * is gone ten of its intervals after its last note, or once it is stopped. The order is not defined.
   *
   * One round trip per page of about 500. Throws `RedisError`, `ClosedError`.
   *
   * @example
   * ```ts
   * for (const { id, version, seenAt, lastFault } of await issuer.workers()) {
   *   console.log(id, version, seenAt, lastFault?.errorType);
   * }
   * ```
   */
  async workers(): Promise<readonly WorkerSeen[]> {
    return this.#core.call('workers', () => listWorkers(this.#core.context));
  }

  /**
   * Checks that this process can serve: Redis answers, and the `check` of the adapter passes. For a readiness probe, not
   * for a liveness probe: a restart cures neither. Nothing is written.
   *
   * One round trip to Redis and the statements of the adapter's `check`, at the same time. Calls at the same time share
   * one look. Throws `RedisError`, `MisconfiguredError` (the table is not fit), `PersistenceError` (the database failed, or did not answer
   * within `timeoutMs`), `ClosedError`.
   *
   * @example
   * ```ts
   * const ready = await issuer.check().then(() => true, () => false);
   * ```
   */
  async check(): Promise<void> {
    this.#core.assertNotClosed();
    const { context, options } = this.#core;
    const { persistence: adapter, timeoutMs } = options;
    this.#checking ??= this.#core
      .call('check', () => assertReady({ context, adapter, timeoutMs }))
      .finally(() => {
        this.#checking = null;
      });
    return this.#checking;
  }

  /**
   * Looks for trouble before it comes, and says how to cure it. It looks at Redis, the options of the client, the
   * database, the campaigns and the workers. `coupon-issuer doctor` prints the result. For an operator, not for a probe:
   * it asks much more than `check()`.
   *
   * A part that cannot be asked is `unknown`, and the others go on. Of a Cluster each master is asked, and of a Sentinel
   * group its master; no replica is. About 20 round trips, two per master and two per campaign; the
   * adapter of PostgreSQL commits five times, and writes no row. Throws `ClosedError`.
   *
   * @example
   * ```ts
   * const findings = (await issuer.diagnose()).filter(({ verdict }) => verdict !== 'ok');
   * for (const { check, found, cure } of findings) console.error(check, found, cure);
   * ```
   */
  async diagnose(): Promise<readonly Diagnosis[]> {
    this.#core.assertNotClosed();
    const { context, options, campaigns, pending } = this.#core;
    const { redis, persistence: adapter, timeoutMs } = options;
    const look = {
      campaigns: () => this.campaigns(),
      workers: () => this.workers(),
      equip: (id: string) => campaigns.equipped(id),
    };
    return pending.track(diagnose({ context, redis, adapter, timeoutMs, campaigns: look }));
  }

  /**
   * Tells `onEvent` that a person changed a campaign, as an `audit` event. `coupon-issuer/dashboard` calls it after each
   * change. Call it from an admin page of your own. `action` and `by` are 1–128 bytes without control characters; give
   * neither a code nor a user of the shop. No I/O. Throws `InvalidArgumentError`.
   *
   * @example
   * ```ts
   * await launch.pause();
   * issuer.audit({ action: 'pause', campaignId: 'launch', by: 'kim', done: true });
   * ```
   */
  audit(entry: Omit<AuditEvent, 'type'>): void {
    this.#core.emit({ type: 'audit', ...checkedAudit(entry) });
  }

  /**
   * Resolves once all work of this issuer is done, confirms included.
   *
   * @example
   * ```ts
   * await issuer.idle();
   * const { reserved } = await launch.inspect();
   * ```
   */
  async idle(): Promise<void> {
    await this.#core.pending.idle();
  }

  /**
   * Refuses new calls with `ClosedError`, stops the workers and finishes the calls in flight. Your Redis client stays
   * open. `await using` calls it too.
   *
   * @example
   * ```ts
   * await issuer.close();
   * redis.disconnect();
   * ```
   */
  async close(): Promise<void> {
    this.#core.close();
    await Promise.all([...this.#core.workers].map((worker) => worker.stop()));
    await this.#core.pending.idle();
    this.#core.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
