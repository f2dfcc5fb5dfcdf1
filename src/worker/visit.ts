import { monotonicMs } from '../flow/deadline.js';
import { NotReadyError, UnknownCampaignError } from '../model/errors.js';
import type { NotReadyReason } from '../model/result.js';
import type { Campaigns } from '../redis/campaigns.js';
import { CampaignOverError, isNoCampaign, strikeOffIfOver } from '../redis/registry.js';
import type { Serving } from '../redis/serving.js';
import type { RedisContext } from '../redis/shard.js';
import { emptiness, type SettledBatch } from '../settle/settle.js';
import type { AdmittedBatch } from '../waiting-room/admission.js';
import type { CheckedWorkerOptions } from './options.js';
import { backOff, leaveUntil, type Schedule } from './schedule.js';

/** The parts of the issuer that a visit needs. */
export interface VisitParts {
  readonly context: RedisContext;
  readonly campaigns: Campaigns;
  readonly settleBatch: (serving: Serving, batchSize: number, healthy: boolean) => Promise<SettledBatch>;
  readonly room: Room;
}

/** The work of a worker in waiting rooms. */
interface Room {
  readonly admitBatch: (serving: Serving, batchSize: number, healthy: boolean) => Promise<AdmittedBatch>;
  readonly tend: (serving: Serving) => Promise<void>;
  /** Calls `wake` when a user joins an empty line. Returns a function that ends it. */
  readonly onJoined: (campaignId: string, wake: () => void) => () => void;
}

/** The worker that makes the visits. */
interface Visitor {
  readonly isStopped: () => boolean;
  readonly succeeded: (campaignId: string) => void;
  readonly failed: (campaignId: string, error: unknown) => void;
  /** Looks after it no more. */
  readonly drop: (schedule: Schedule) => void;
  /** Looks again at once what is due. */
  readonly wake: () => void;
}

/** A campaign that is closed for good with nothing left, or that is gone, is visited once in this many intervals. */
const RARELY = 60;
const HEALTHY_MS = 1_000;

/** Visits of a worker to campaigns: settles due reservations, admits users, and says when to come again. */
export class Visits {
  readonly #parts: VisitParts;
  readonly #options: CheckedWorkerOptions;
  readonly #worker: Visitor;

  constructor(parts: VisitParts, options: CheckedWorkerOptions, worker: Visitor) {
    this.#parts = parts;
    this.#options = options;
    this.#worker = worker;
  }

  async visit(schedule: Schedule): Promise<void> {
    let serving: Serving | NotReadyReason = 'rebuilding';
    try {
      serving = await this.#parts.campaigns.equipped(schedule.id);
      if (typeof serving === 'string') return this.#rest(schedule, serving === 'rebuilding' ? 1 : RARELY);
      const { failures } = schedule;
      if (schedule.dueAt <= monotonicMs()) await this.#settle(serving, schedule);
      // A refusal for the first users is not tried with others.
      if (schedule.failures > failures) return;
      if (serving.campaign.rules.room) await this.#admit(serving, schedule);
      this.#worker.succeeded(schedule.id);
    } catch (error) {
      if (isNoCampaign(error)) return this.#leave(schedule, error);
      const empty = typeof serving === 'string' ? null : await emptiness(serving);
      if (empty === 'gone') return this.#rest(schedule, RARELY);
      if (empty === 'opening' && error instanceof NotReadyError) return this.#rest(schedule, 1);
      // The database is not to blame for a state that is not ready, and a rebuild ends that from one moment to the
      // next.
      if (error instanceof NotReadyError) this.#rest(schedule, 1);
      else backOff(schedule, this.#options);
      this.#worker.failed(schedule.id, error);
    }
  }

  /**
   * Nothing is left to look after. If the entry of an expired campaign stays in the registry, the next look strikes it
   * off.
   */
  async #leave(schedule: Schedule, error: Error): Promise<void> {
    if (error instanceof CampaignOverError) await strikeOffIfOver(this.#parts.context, schedule.id).catch(() => {});
    if (!this.#options.campaigns) return this.#worker.drop(schedule);
    this.#rest(schedule, RARELY);
    // One that it was told to look after: perhaps its id is wrong.
    if (error instanceof UnknownCampaignError) this.#worker.failed(schedule.id, error);
  }

  #rest(schedule: Schedule, intervals: number): void {
    leaveUntil(schedule, monotonicMs() + intervals * this.#options.intervalMs);
  }

  /**
   * Batch after batch until nothing is due, the cap is used up, nothing comes through, or others have waited for an
   * interval.
   */
  async #settle(serving: Serving, schedule: Schedule): Promise<void> {
    const { intervalMs, batchSize } = this.#options;
    for (const until = monotonicMs() + intervalMs; !this.#worker.isStopped() && monotonicMs() < until; ) {
      const asked = schedule.size;
      const healthy = monotonicMs() - schedule.settledAt < HEALTHY_MS;
      const { claimed, settled, waitMs } = await this.#parts.settleBatch(serving, asked, healthy);
      if (settled > 0) schedule.settledAt = monotonicMs();
      if (claimed.length > 0 && settled === 0) return backOff(schedule, this.#options);
      if (settled > 0) schedule.failures = 0;
      if (settled === claimed.length) schedule.size = Math.min(batchSize, 2 * schedule.size);
      if (claimed.length < asked) {
        const rest = claimed.length === 0 && (await this.#restsFor(serving));
        schedule.dueAt = monotonicMs() + (rest || (waitMs > 0 ? Math.min(waitMs, intervalMs) : intervalMs));
        return;
      }
    }
  }

  /**
   * Lets people through, batch after batch, until nobody waits, the pace says no, nothing comes through, or others have
   * waited for an interval.
   */
  async #admit(serving: Serving, schedule: Schedule): Promise<void> {
    const { batchSize } = this.#options;
    const { room } = this.#parts;
    // More often than absence is judged by: a line that was not looked at for that long has grace.
    const presenceMs = serving.campaign.rules.room?.presenceMs ?? Number.POSITIVE_INFINITY;
    const intervalMs = Math.min(this.#options.intervalMs, presenceMs / 2);
    schedule.unlisten ??= room.onJoined(schedule.id, () => this.#hurry(schedule));
    if (schedule.tendAt <= monotonicMs()) {
      schedule.tendAt = monotonicMs() + intervalMs;
      await room.tend(serving);
    }
    schedule.admitAt = monotonicMs() + intervalMs;
    for (const until = schedule.admitAt; !this.#worker.isStopped() && monotonicMs() < until; ) {
      const healthy = monotonicMs() - schedule.settledAt < HEALTHY_MS;
      const { status, admitted, issued, waiting, gone, waitMs } = await room.admitBatch(
        serving,
        schedule.size,
        healthy,
      );
      // Settle knows whether it is closed for good; a window that ended may move.
      if (status === 'closed') schedule.admitAt = Math.max(schedule.admitAt, schedule.dueAt);
      if (admitted > 0 && issued === 0) return backOff(schedule, this.#options);
      if (issued > 0) {
        schedule.settledAt = monotonicMs();
        schedule.failures = 0;
      }
      if (issued === admitted) schedule.size = Math.min(batchSize, 2 * schedule.size);
      if (waiting === 0) return;
      if (waitMs > 0) {
        schedule.admitAt = monotonicMs() + Math.min(waitMs, intervalMs);
        return;
      }
      if (gone === 0) return;
    }
    // Others were waiting; here it goes on right after them.
    schedule.admitAt = monotonicMs();
  }

  /** A user joined an empty line. */
  #hurry(schedule: Schedule): void {
    // Not while the database fails.
    if (schedule.failures > 0) return;
    schedule.admitAt = 0;
    this.#worker.wake();
  }

  async #restsFor({ shard }: Serving): Promise<number> {
    const campaign = await shard.refresh();
    const isDone = typeof campaign !== 'string' && campaign.closedAt && campaign.reserved === campaign.quarantined;
    return isDone ? RARELY * this.#options.intervalMs : 0;
  }
}
