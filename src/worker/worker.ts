import { onAbort } from '../flow/abort-group.js';
import { monotonicMs } from '../flow/deadline.js';
import type { Emit, FaultEvent } from '../model/events.js';
import { inCall } from '../model/methods.js';
import { registered } from '../redis/registry.js';
import type { WorkerRole } from '../redis/workers.js';
import { Faults } from './faults.js';
import { healthOf, type WorkerHealth } from './health.js';
import type { CheckedWorkerOptions } from './options.js';
import { Presence } from './presence.js';
import { newSchedule, nextAt, type Schedule } from './schedule.js';
import { type VisitParts, Visits } from './visit.js';

/** A worker of `startWorker`. Stop it, or use `await using`. */
export interface SettleWorker extends AsyncDisposable {
  /** The backlog, and the last fault. One round trip per campaign. Throws `RedisError`. */
  health(): Promise<WorkerHealth>;
  /** Claims nothing more. Resolves once its reservations are finished. */
  stop(): Promise<void>;
}

/** The parts of a worker. */
export interface WorkerParts extends VisitParts {
  readonly track: <T>(work: Promise<T>) => Promise<T>;
  readonly emit: Emit;
}

const CAMPAIGNS_AT_A_TIME = 8;

/** Settles campaigns again and again. Any number may run, in any number of processes; none of them leads. */
export class Worker implements SettleWorker {
  readonly #parts: WorkerParts;
  readonly #options: CheckedWorkerOptions;
  readonly #presence: Presence;
  readonly #schedules = new Map<string, Schedule>();
  readonly #visits: Visits;
  /** Those that are visited now. */
  readonly #visited = new Map<Schedule, Promise<void>>();
  readonly #faults: Faults;
  /** Resolves once it has stopped. */
  readonly stopped: Promise<void>;
  #listedAt = Number.NEGATIVE_INFINITY;
  #stopped = false;
  #wake: () => void = () => {};

  constructor(parts: WorkerParts, options: CheckedWorkerOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#presence = new Presence(parts.context, options);
    this.#faults = new Faults(parts.emit);
    this.#visits = new Visits(parts, options, {
      isStopped: () => this.#stopped,
      succeeded: (campaignId) => {
        this.#faults.forget(campaignId);
        this.#presence.succeeded();
      },
      failed: (campaignId, error) => this.#failed(campaignId, error),
      drop: (schedule) => this.#drop(schedule),
      wake: () => this.#wake(),
    });
    const { signal } = options;
    const forgetSignal = signal ? onAbort(signal, () => this.#endLoop()) : () => {};
    this.stopped = this.#run().finally(() => {
      forgetSignal();
      for (const { unlisten } of this.#schedules.values()) unlisten?.();
    });
  }

  async health(): Promise<WorkerHealth> {
    try {
      const campaigns = await healthOf(this.#parts.campaigns, this.#schedules.values());
      return { running: !this.#stopped, campaigns };
    } catch (error) {
      throw inCall('health', error);
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
      const schedule = this.#schedules.get(id);
      if (!schedule) continue;
      schedule.lastError = { error, at: new Date() };
      this.#presence.failed(error);
    }
  }

  /** `null`: the registry. */
  #failed(campaignId: string | null, error: unknown): void {
    this.#faults.tell(campaignId, error);
    // After the event, whose error is a copy without its code.
    this.#presence.failed(error);
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
    await Promise.all(this.#visited.values());
    await this.#presence.end();
  }

  get #role(): WorkerRole {
    return [...this.#schedules.values()].some(({ unlisten }) => unlisten) ? 'settle_and_admit' : 'settle';
  }

  /**
   * Visits due campaigns, longest ago first. A campaign that hangs keeps its place, so those that fail never take
   * the last one.
   */
  #begin(): void {
    const due = [...this.#schedules.values()].filter(
      (schedule) => nextAt(schedule) <= monotonicMs() && !this.#visited.has(schedule),
    );
    due.sort((a, b) => Math.sign(a.failures) - Math.sign(b.failures) || a.visitedAt - b.visitedAt);
    for (const schedule of due) {
      if (this.#visited.size >= CAMPAIGNS_AT_A_TIME - (schedule.failures > 0 ? 1 : 0)) return;
      schedule.visitedAt = monotonicMs();
      const visit = this.#parts.track(this.#visits.visit(schedule)).finally(() => {
        this.#visited.delete(schedule);
        this.#wake();
      });
      this.#visited.set(schedule, visit);
    }
  }

  /** Looks which campaigns there are, once an interval. `false`: the interval is not over. */
  async #list(): Promise<boolean> {
    const { intervalMs, campaigns } = this.#options;
    if (monotonicMs() - this.#listedAt < intervalMs) return false;
    this.#listedAt = monotonicMs();
    const schedule = (id: string) => {
      if (!this.#schedules.has(id)) this.#schedules.set(id, newSchedule(id, this.#options.batchSize));
    };
    if (campaigns) {
      campaigns.forEach(schedule);
      return true;
    }
    try {
      const listed = new Set<string>();
      for await (const id of registered(this.#parts.context)) {
        schedule(id);
        listed.add(id);
      }
      // Campaigns purged by another process are forgotten here too.
      for (const schedule of [...this.#schedules.values()].filter(({ id }) => !listed.has(id))) {
        this.#drop(schedule);
        await this.#parts.campaigns.lookAfter(schedule.id);
      }
      this.#faults.forget(null);
    } catch (error) {
      this.#failed(null, error);
    }
    return true;
  }

  #drop(schedule: Schedule): void {
    schedule.unlisten?.();
    this.#schedules.delete(schedule.id);
    this.#faults.forget(schedule.id);
  }

  async #sleep(): Promise<void> {
    if (this.#stopped) return;
    const { intervalMs } = this.#options;
    const now = monotonicMs();
    // With every place taken, due campaigns wait for one.
    const isFull = this.#visited.size >= CAMPAIGNS_AT_A_TIME - 1;
    const waiting = [...this.#schedules.values()].filter((schedule) => !this.#visited.has(schedule));
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
