import { onAbort } from '../flow/abort-group.js';
import { monotonicMs } from '../flow/deadline.js';
import type { CampaignSnapshot } from '../model/campaign-rules.js';
import { MisconfiguredError, NotReadyError, UnknownCampaignError } from '../model/errors.js';
import type { Emit, FaultEvent } from '../model/events.js';
import { messageOf } from '../model/foreign.js';
import { inCall } from '../model/methods.js';
import type { NotReadyReason } from '../model/result.js';
import { redacted } from '../model/safe-error.js';
import type { Campaigns } from '../redis/campaigns.js';
import { CampaignOverError, registered, strikeOff } from '../redis/registry.js';
import { isForbidden } from '../redis/server-errors.js';
import type { Serving } from '../redis/serving.js';
import type { RedisContext } from '../redis/shard.js';
import { NewerCampaignError } from '../redis/words.js';
import type { WorkerRole } from '../redis/workers.js';
import { emptiness, type SettledBatch } from '../settle/settle.js';
import type { AdmittedBatch } from '../waiting-room/admission.js';
import { backOff, type Care, leaveUntil, newCare, nextAt } from './care.js';
import type { CheckedWorkerOptions } from './options.js';
import { Presence } from './presence.js';

/** The backlog of one campaign. */
export interface CampaignHealth {
  readonly campaignId: string;
  /**
   * Reservations that are due: the backlog of write-behind, and leases that ran out. `null`: the campaign has no state
   * to read.
   */
  readonly backlog: number | null;
  /** How long ago the oldest of them was reserved, ms; `null` if none is due. */
  readonly oldestMs: number | null;
  /** Reservations that only an operator acts on. `null`: the campaign has no state to read. */
  readonly quarantined: number | null;
  /** The last fault that this worker saw in this campaign, redacted. It stays until the next one. */
  readonly lastError: { readonly error: Error; readonly at: Date } | null;
}

/** The answer of `health()`. */
export interface WorkerHealth {
  /** `false` once it was stopped. */
  readonly running: boolean;
  /** The campaigns that this worker looks after and has seen so far. */
  readonly campaigns: readonly CampaignHealth[];
}

/** A worker of `startWorker`. Stop it, or use `await using`. */
export interface SettleWorker extends AsyncDisposable {
  /** The backlog, and the last fault. One round trip per campaign. Throws `RedisError`. */
  health(): Promise<WorkerHealth>;
  /** Claims nothing more. Resolves once its reservations are finished. */
  stop(): Promise<void>;
}

/** The parts of a worker. */
export interface WorkerParts {
  readonly context: RedisContext;
  readonly campaigns: Campaigns;
  readonly settleBatch: (serving: Serving, batchSize: number, healthy: boolean) => Promise<SettledBatch>;
  readonly room: Room;
  readonly track: <T>(work: Promise<T>) => Promise<T>;
  readonly emit: Emit;
}

/** The work of a worker in waiting rooms. */
interface Room {
  readonly admitBatch: (serving: Serving, batchSize: number, healthy: boolean) => Promise<AdmittedBatch>;
  readonly tend: (serving: Serving) => Promise<void>;
  /** Calls `wake` when a user joins an empty line. Returns a function that ends it. */
  readonly onJoined: (campaignId: string, wake: () => void) => () => void;
}

/** A campaign that is closed for good with nothing left, or that is gone, is visited once in this many intervals. */
const RARELY = 60;
const CAMPAIGNS_AT_A_TIME = 8;
const NOTHING_TO_READ = { backlog: null, oldestMs: null, quarantined: null };
const HEALTHY_MS = 1_000;

/** Settles campaigns again and again. Any number may run, in any number of processes; none of them leads. */
export class Worker implements SettleWorker {
  readonly #parts: WorkerParts;
  readonly #options: CheckedWorkerOptions;
  readonly #presence: Presence;
  readonly #cares = new Map<string, Care>();
  /** Those that are attended to now. */
  readonly #attended = new Map<Care, Promise<void>>();
  /** The faults that stay until an operator acts; `null`: of the registry. */
  readonly #standing = new Map<string | null, string>();
  /** Resolves once it has stopped. */
  readonly stopped: Promise<void>;
  #listedAt = Number.NEGATIVE_INFINITY;
  #stopped = false;
  #wake: () => void = () => {};

  constructor(parts: WorkerParts, options: CheckedWorkerOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#presence = new Presence(parts.context, options.intervalMs);
    const { signal } = options;
    const forgetSignal = signal ? onAbort(signal, () => this.#endLoop()) : () => {};
    this.stopped = this.#run().finally(() => {
      forgetSignal();
      for (const { unlisten } of this.#cares.values()) unlisten?.();
    });
  }

  async health(): Promise<WorkerHealth> {
    try {
      return await this.#look();
    } catch (error) {
      throw inCall('health', error);
    }
  }

  async #look(): Promise<WorkerHealth> {
    const campaigns: CampaignHealth[] = [];
    for (const { id, lastError } of this.#cares.values()) {
      const { backlog, oldestMs, quarantined } = (await this.#snapshot(id)) ?? NOTHING_TO_READ;
      campaigns.push({ campaignId: id, backlog, oldestMs, quarantined, lastError });
    }
    return { running: !this.#stopped, campaigns };
  }

  /** `null`: it has no state to read. */
  async #snapshot(id: string): Promise<CampaignSnapshot | null> {
    try {
      const found = await this.#parts.campaigns.find(id);
      const snapshot = typeof found === 'string' ? found : await found.shard.refresh();
      return typeof snapshot === 'string' ? null : snapshot;
    } catch (error) {
      if (isOver(error) || error instanceof NewerCampaignError) return null;
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#endLoop();
    await this.stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #endLoop(): void {
    this.#stopped = true;
    this.#wake();
  }

  /** Told of every fault of the issuer. */
  noteFault({ campaignId, campaignIds = [campaignId ?? ''], error }: FaultEvent): void {
    for (const id of campaignIds) {
      const care = this.#cares.get(id);
      if (!care) continue;
      care.lastError = { error, at: new Date() };
      this.#presence.failed(error);
    }
  }

  async #run(): Promise<void> {
    // Work of this tick is not waited for, and a constructor that does no I/O is easier to reason about.
    await Promise.resolve();
    while (!this.#stopped) {
      const isNewInterval = await this.#list();
      this.#begin();
      if (isNewInterval) this.#presence.note(this.#role);
      await this.#sleep();
    }
    await Promise.all(this.#attended.values());
    await this.#presence.end();
  }

  get #role(): WorkerRole {
    return [...this.#cares.values()].some(({ unlisten }) => unlisten) ? 'settle_and_admit' : 'settle';
  }

  /**
   * Attends to due campaigns, longest ago first. A campaign that hangs keeps its place, so those that fail never take
   * the last one.
   */
  #begin(): void {
    const due = [...this.#cares.values()].filter((care) => nextAt(care) <= monotonicMs() && !this.#attended.has(care));
    due.sort((a, b) => Math.sign(a.failures) - Math.sign(b.failures) || a.attendedAt - b.attendedAt);
    for (const care of due) {
      if (this.#attended.size >= CAMPAIGNS_AT_A_TIME - (care.failures > 0 ? 1 : 0)) return;
      care.attendedAt = monotonicMs();
      const attended = this.#parts.track(this.#attend(care)).finally(() => {
        this.#attended.delete(care);
        this.#wake();
      });
      this.#attended.set(care, attended);
    }
  }

  /** Looks which campaigns there are, once an interval. `false`: the interval is not over. */
  async #list(): Promise<boolean> {
    const { intervalMs, campaigns } = this.#options;
    if (monotonicMs() - this.#listedAt < intervalMs) return false;
    this.#listedAt = monotonicMs();
    const care = (id: string) => {
      if (!this.#cares.has(id)) this.#cares.set(id, newCare(id, this.#options.batchSize));
    };
    if (campaigns) {
      campaigns.forEach(care);
      return true;
    }
    try {
      const listed = new Set<string>();
      for await (const id of registered(this.#parts.context)) {
        care(id);
        listed.add(id);
      }
      // Campaigns purged by another process are forgotten here too.
      for (const care of [...this.#cares.values()].filter(({ id }) => !listed.has(id))) {
        this.#drop(care);
        await this.#parts.campaigns.lookAfter(care.id);
      }
      this.#standing.delete(null);
    } catch (error) {
      this.#fault(null, error);
    }
    return true;
  }

  /**
   * A right or a hook that is missing does not come by itself. So its fault is told once, and a second time only after
   * another fault or a success.
   */
  #fault(campaignId: string | null, error: unknown): void {
    this.#presence.failed(error);
    const message = isForbidden(error) || error instanceof MisconfiguredError ? messageOf(error) : '';
    if (message !== '' && this.#standing.get(campaignId) === message) return;
    this.#standing.set(campaignId, message);
    this.#parts.emit({ type: 'fault', during: 'settle', campaignId, error: redacted(error) });
  }

  async #attend(care: Care): Promise<void> {
    let serving: Serving | NotReadyReason = 'rebuilding';
    try {
      serving = await this.#parts.campaigns.equipped(care.id);
      if (typeof serving === 'string') return this.#rest(care, serving === 'rebuilding' ? 1 : RARELY);
      const { failures } = care;
      if (care.dueAt <= monotonicMs()) await this.#settle(serving, care);
      // A refusal for the first users is not tried with others.
      if (care.failures > failures) return;
      if (serving.campaign.rules.room) await this.#admit(serving, care);
      this.#standing.delete(care.id);
      this.#presence.succeeded();
    } catch (error) {
      if (isOver(error)) return this.#leave(care, error);
      const empty = typeof serving === 'string' ? null : await emptiness(serving);
      if (empty === 'gone') return this.#rest(care, RARELY);
      if (empty === 'opening' && error instanceof NotReadyError) return this.#rest(care, 1);
      // The database is not to blame for a state that is not ready, and a rebuild ends that from one moment to the
      // next.
      if (error instanceof NotReadyError) this.#rest(care, 1);
      else backOff(care, this.#options);
      this.#fault(care.id, error);
    }
  }

  /**
   * Nothing is left to look after. If the entry of an expired campaign stays in the registry, the next look strikes it
   * off.
   */
  async #leave(care: Care, error: Error): Promise<void> {
    if (error instanceof CampaignOverError) await strikeOff(this.#parts.context, care.id).catch(() => {});
    if (this.#options.campaigns) this.#rest(care, RARELY);
    else this.#drop(care);
  }

  #rest(care: Care, intervals: number): void {
    leaveUntil(care, monotonicMs() + intervals * this.#options.intervalMs);
  }

  /**
   * Batch after batch until nothing is due, the cap is used up, nothing comes through, or others have waited for an
   * interval.
   */
  async #settle(serving: Serving, care: Care): Promise<void> {
    const { intervalMs, batchSize } = this.#options;
    for (const until = monotonicMs() + intervalMs; !this.#stopped && monotonicMs() < until; ) {
      const asked = care.size;
      const healthy = monotonicMs() - care.settledAt < HEALTHY_MS;
      const { claimed, settled, waitMs } = await this.#parts.settleBatch(serving, asked, healthy);
      if (settled > 0) care.settledAt = monotonicMs();
      if (claimed.length > 0 && settled === 0) return backOff(care, this.#options);
      if (settled > 0) care.failures = 0;
      if (settled === claimed.length) care.size = Math.min(batchSize, 2 * care.size);
      if (claimed.length < asked) {
        const rest = claimed.length === 0 && (await this.#restsFor(serving));
        care.dueAt = monotonicMs() + (rest || (waitMs > 0 ? Math.min(waitMs, intervalMs) : intervalMs));
        return;
      }
    }
  }

  /**
   * Lets people through, batch after batch, until nobody waits, the pace says no, nothing comes through, or others have
   * waited for an interval.
   */
  async #admit(serving: Serving, care: Care): Promise<void> {
    const { batchSize } = this.#options;
    const { room } = this.#parts;
    // More often than absence is judged by: a line that was not looked at for that long has grace.
    const presenceMs = serving.campaign.rules.room?.presenceMs ?? Number.POSITIVE_INFINITY;
    const intervalMs = Math.min(this.#options.intervalMs, presenceMs / 2);
    care.unlisten ??= room.onJoined(care.id, () => this.#hurry(care));
    if (care.tendAt <= monotonicMs()) {
      care.tendAt = monotonicMs() + intervalMs;
      await room.tend(serving);
    }
    care.admitAt = monotonicMs() + intervalMs;
    for (const until = care.admitAt; !this.#stopped && monotonicMs() < until; ) {
      const healthy = monotonicMs() - care.settledAt < HEALTHY_MS;
      const { status, admitted, issued, waiting, gone, waitMs } = await room.admitBatch(serving, care.size, healthy);
      // Settle knows whether it is closed for good; a window that ended may move.
      if (status === 'closed') care.admitAt = Math.max(care.admitAt, care.dueAt);
      if (admitted > 0 && issued === 0) return backOff(care, this.#options);
      if (issued > 0) {
        care.settledAt = monotonicMs();
        care.failures = 0;
      }
      if (issued === admitted) care.size = Math.min(batchSize, 2 * care.size);
      if (waiting === 0) return;
      if (waitMs > 0) {
        care.admitAt = monotonicMs() + Math.min(waitMs, intervalMs);
        return;
      }
      if (gone === 0) return;
    }
    // Others were waiting; here it goes on right after them.
    care.admitAt = monotonicMs();
  }

  /** A user joined an empty line. */
  #hurry(care: Care): void {
    // Not while the database fails.
    if (care.failures > 0) return;
    care.admitAt = 0;
    this.#wake();
  }

  #drop(care: Care): void {
    care.unlisten?.();
    this.#cares.delete(care.id);
    this.#standing.delete(care.id);
  }

  async #restsFor({ shard }: Serving): Promise<number> {
    const campaign = await shard.refresh();
    const isDone = typeof campaign !== 'string' && campaign.closedAt && campaign.reserved === campaign.quarantined;
    return isDone ? RARELY * this.#options.intervalMs : 0;
  }

  async #sleep(): Promise<void> {
    if (this.#stopped) return;
    const { intervalMs } = this.#options;
    const now = monotonicMs();
    // With every place taken, due campaigns wait for one.
    const isFull = this.#attended.size >= CAMPAIGNS_AT_A_TIME - 1;
    const waiting = [...this.#cares.values()].filter((care) => !this.#attended.has(care));
    const due = waiting.map(nextAt).filter((at) => !isFull || at > now);
    const earliest = Math.min(this.#listedAt + intervalMs, ...due);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, earliest - now));
      this.#wake = () => {
        clearTimeout(timer);
        // Where answers need no turn of the event loop, campaign after campaign would starve the timers of this
        // process.
        setImmediate(resolve);
      };
    });
  }
}

/** Purged, expired, or never opened. */
function isOver(error: unknown): error is CampaignOverError | UnknownCampaignError {
  return error instanceof CampaignOverError || error instanceof UnknownCampaignError;
}
