import { Box } from './box/box.js';
import { Caches } from './cache/caches.js';
import { PendingWork } from './flow/pending-work.js';
import { Deliveries } from './issue/deliver.js';
import { type IssueRequest, Requests } from './issue/request.js';
import { batchedSaves } from './issue/save.js';
import type { Steps } from './issue/steps.js';
import { AdapterStore } from './issue/store.js';
import { CampaignConflictError, ClosedError, UnknownCampaignError } from './model/errors.js';
import { type Emit, safeEmit } from './model/events.js';
import { mintId } from './model/issuance.js';
import type { CouponVerb } from './model/life.js';
import type { Operation } from './model/methods.js';
import type { IssueResult } from './model/result.js';
import type { RevokeAllParts } from './operate/revoke-all.js';
import type { CheckedOptions } from './options.js';
import { Coupons, canChange, type StillReserved } from './redeem/coupons.js';
import type { CheckedCouponCall } from './redeem/requests.js';
import type { CouponResult } from './redeem/results.js';
import { Revocations } from './redeem/revocations.js';
import { Campaigns } from './redis/campaigns.js';
import type { Serving } from './redis/serving.js';
import { type RedisContext, redisContext } from './redis/shard.js';
import { findHeld } from './redis/user.js';
import type { FindOptions } from './settle/find-saved.js';
import { type SettleOptions, type SettleResult, settle } from './settle/settle.js';
import { CHANGE, type ChangeMessage, tellEvent } from './tracing/channels.js';
import { WaitingRoom } from './waiting-room/room.js';
import type { Worker } from './worker/worker.js';

/** Among a million reservations a claim of this many keeps Redis at work for about 3 ms. */
const CLAIMED_AT_ONCE = 500;

/** The parts of one issuer, which its campaigns share. */
export class Core {
  readonly id = mintId();
  readonly options: CheckedOptions;
  readonly campaigns: Campaigns;
  readonly context: RedisContext;
  readonly emit: Emit;
  readonly steps: Steps;
  readonly pending = new PendingWork();
  readonly workers = new Set<Worker>();
  readonly room: WaitingRoom;
  readonly coupons: Coupons;
  readonly box: Box;
  readonly caches: Caches;
  readonly #requests: Requests;
  #closed = false;
  #ended = false;

  constructor(options: CheckedOptions) {
    this.options = options;
    const { redis, prefix, timeoutMs, persistence, deliver, maxBatch, maxInFlight, maxQueued } = options;
    const { eligible, maxTries, refusalCacheMs, replicas = null } = options;
    const observed = safeEmit(options.onEvent);
    this.emit = (event) => {
      if (event.type === 'settled') this.room.settled(event.campaignId);
      if (event.type === 'taken_back') this.room.takenBack(event.campaignId);
      if (event.type === 'fault') for (const worker of this.workers) worker.noteFault(event);
      observed(event);
      tellEvent(this.id, event);
    };
    const { emit, pending } = this;
    const saves = persistence ? batchedSaves(persistence, { maxBatch, maxInFlight, emit }) : null;
    const deliveries = deliver ? new Deliveries(deliver, options.maxDeliveries, emit) : null;
    const hasHooks = Boolean(deliver || options.onEvent);
    this.steps = { saves, deliveries, hasHooks, recall: options.recall, timeoutMs, emit };
    const has = (['deliver', 'persistence'] as const).filter((need) => options[need]);
    const store = persistence ? new AdapterStore(persistence, timeoutMs) : null;
    const assertLost: RedisContext['assertLost'] = (...of) => this.campaigns.assertLost(...of);
    const verbs = { maxBatch, maxInFlight, emit };
    this.context = redisContext(redis, { prefix, timeoutMs, assertLost, verbs });
    const following = [deliveries, saves].filter((step) => step !== null);
    const lines = { maxBatch, maxInFlight, maxQueued };
    this.campaigns = new Campaigns(
      this.context,
      { has, store, changes: Boolean(persistence && canChange(persistence)) },
      { ...lines, following, replicas, refusalCacheMs, emit },
    );
    const { campaigns, context, steps } = this;
    const adapter = persistence;
    const assertNotClosing = () => this.assertNotClosed();
    this.#requests = new Requests({ campaigns, steps, pending, eligible, adapter, timeoutMs, assertNotClosing });
    const track = <T>(work: Promise<T>) => pending.track(work);
    const rules = { eligible, adapter: persistence, timeoutMs, maxTries };
    const reserved = (campaignId: string, userId: string) => this.#reserved(campaignId, userId);
    const revocations = new Revocations(campaigns, emit);
    this.coupons = new Coupons({ adapter: persistence, timeoutMs, ...lines, emit, reserved, revocations });
    this.box = new Box({ adapter: persistence, timeoutMs, served: () => campaigns.ids });
    const assertNotClosed = () => {
      if (this.#ended) throw closed();
    };
    const call: Core['call'] = async (operation, work) => {
      assertNotClosed();
      return pending.call(operation, work());
    };
    this.caches = new Caches({ redis, context, call, assertNotClosed, assertNotClosing, track, emit });
    this.room = new WaitingRoom({ redis, context, campaigns, lines, steps, following, track, ...rules });
  }

  /** Throws `NotReadyError`: a state that must not be acted on says nothing of a reservation. */
  async #reserved(campaignId: string, userId: string): Promise<StillReserved | null> {
    try {
      const { shard } = await this.campaigns.get(campaignId);
      return { issuances: await findHeld(shard, userId), leaseMs: shard.leaseMs };
    } catch (error) {
      if (isAbsent(error)) return null;
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    this.room.close();
  }

  /** Once nothing is pending: the `eligible` of a call in flight may ask a cache. */
  end(): void {
    this.#ended = true;
    this.caches.close();
  }

  /** Throws `ClosedError`. */
  assertNotClosed(): void {
    if (this.#closed) throw closed();
  }

  /** The hot path: rejects, and never throws, without a promise of its own. */
  issue(id: string, request: IssueRequest): Promise<IssueResult> {
    return this.#requests.issue(id, request);
  }

  /** A call that changes one coupon, told with its end wherever that came from. */
  changeCoupon<R extends CouponResult>(
    verb: CouponVerb,
    campaignId: string,
    checked: () => CheckedCouponCall,
  ): Promise<R> {
    const ask = async () => {
      const request = checked();
      return this.call(verb, () => this.coupons.ask<R>(request));
    };
    if (!CHANGE.isHeard) return ask();
    const message: ChangeMessage = { campaignId, verb, status: null };
    return CHANGE.run(message, ask, ({ status }) => {
      message.status = status;
    });
  }

  /** Counts a call as pending until it ends, and names it in its errors. */
  call<T>(operation: Operation, work: () => Promise<T>): Promise<T> {
    this.assertNotClosed();
    return this.pending.call(operation, work());
  }

  /** A call that needs the state of a campaign. */
  async on<T>(operation: Operation, id: string, act: (serving: Serving) => Promise<T>): Promise<T> {
    return this.call(operation, async () => act(await this.campaigns.get(id)));
  }

  /** A call that changes a campaign, which users in line have to learn. */
  change<T>(operation: Operation, id: string, act: (serving: Serving) => Promise<T>): Promise<T> {
    return this.on(operation, id, async (serving) => {
      const result = await act(serving);
      this.room.changed(serving);
      return result;
    });
  }

  async settleOne(serving: Serving): Promise<SettleResult> {
    await this.campaigns.assertEquipped(serving);
    return settle(serving, this.steps, this.settling(this.batchSize, false));
  }

  /** The parts of `revokeAll` of a campaign. */
  revoking(campaignId: string): RevokeAllParts {
    const { persistence: adapter, timeoutMs, maxQueued } = this.options;
    const reserved = (userId: string) => this.#reserved(campaignId, userId);
    const rules = async () => (await this.campaigns.get(campaignId)).campaign.inspect();
    return { campaignId, adapter, timeoutMs, maxQueued, coupons: this.coupons, rules, reserved };
  }

  /** Claimed reservations are delivered at once, so a claim is no larger than the number of deliveries that may run. */
  get batchSize(): number {
    const { maxBatch, maxDeliveries } = this.options;
    return Math.min(maxBatch, CLAIMED_AT_ONCE, this.steps.deliveries ? maxDeliveries : maxBatch);
  }

  settling(batchSize: number, paced: boolean): SettleOptions {
    const { maxTries } = this.options;
    const endAnnounced = (serving: Serving) => this.coupons.endAnnounced(serving);
    return { ...this.findOptions, batchSize, paced, maxTries, endAnnounced, closing: () => this.#closed };
  }

  get findOptions(): FindOptions {
    const { timeoutMs, persistence } = this.options;
    return { timeoutMs, find: persistence?.find?.bind(persistence) };
  }
}

/** No reservation is known of such a campaign. */
function isAbsent(error: unknown): boolean {
  return error instanceof UnknownCampaignError || error instanceof CampaignConflictError;
}

function closed(): ClosedError {
  return new ClosedError('this issuer is closed; this call did nothing');
}
