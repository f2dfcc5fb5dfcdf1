import { monotonicMs } from '../flow/deadline.js';
import { NotReadyError } from '../model/errors.js';
import type { Emit } from '../model/events.js';
import { mintId } from '../model/issuance.js';
import { redacted } from '../model/safe-error.js';
import type { Line } from '../redis/line.js';
import type { LookRound } from '../redis/line-replies.js';
import { isForbidden } from '../redis/server-errors.js';
import { RECONNECTED, type Subscription } from '../redis/subscription.js';
import { Watcher } from './watcher.js';

export interface WatchParts {
  readonly find: (campaignId: string) => Promise<Line>;
  readonly subscription: Subscription;
  readonly channel: string;
  readonly track: <T>(work: Promise<T>) => Promise<T>;
  readonly emit: Emit;
}

/**
 * At least so long between two looks, and four times as long as a look takes: watchers must not slow down the service.
 */
const SHORTEST_MS = 50;
const REST = 4;
/** How often it is looked when no message comes. */
const POLL_MS = 1_000;
const POLL_WHILE_HEARING_MS = 5_000;
/** A new watcher, or a status call, does not wait for the looks of a whole round. */
const LOOKS_AT_A_TIME = 1_000;
/** Work that ends by itself. While Redis hangs, a look that waits behind others in the queue runs out of its time. */
const PASSING: readonly unknown[] = ['REDIS', 'OVERLOADED'];

/**
 * All watchers of one campaign in this process: one look for all of them at a time, when something moved or when it was
 * long ago.
 */
export class CampaignWatch {
  readonly #campaignId: string;
  readonly #parts: WatchParts;
  readonly #watchers = new Set<Watcher>();
  readonly #newcomers: Watcher[] = [];
  /** Looks for newcomers that are not answered yet. */
  readonly #welcomes = new Set<Promise<void>>();
  readonly #ended: () => void;
  readonly #id = mintId();
  /** The round that is under way, or was last. */
  #round: LookRound;
  #unlisten: (() => void) | null = null;
  #isLooking = false;
  #moved = true;
  #wake: () => void = () => {};

  constructor(campaignId: string, parts: WatchParts, ended: () => void) {
    this.#campaignId = campaignId;
    this.#parts = parts;
    this.#round = { watcher: this.#id, since: 0, earliest: Number.POSITIVE_INFINITY };
    this.#ended = ended;
  }

  add(userId: string): Watcher {
    const watcher = new Watcher(userId, () => this.#remove(watcher));
    this.#watchers.add(watcher);
    if (this.#watchers.size === 1) void this.#run();
    else if (this.#isLooking) this.#welcome(watcher);
    return watcher;
  }

  /** New watchers of one tick share a look, without waiting for the others. */
  #welcome(watcher: Watcher): void {
    this.#newcomers.push(watcher);
    if (this.#newcomers.length > 1) return;
    queueMicrotask(() => {
      const welcome = this.#look(this.#newcomers.splice(0)).then(({ failed }) => {
        // Nobody knows when these were seen, until a round with them is over.
        if (failed) this.#round.since = this.#round.earliest = 0;
        this.#welcomes.delete(welcome);
      });
      this.#welcomes.add(welcome);
    });
  }

  /** Something moved: it is looked soon. */
  moved(): void {
    this.#moved = true;
    this.#wake();
  }

  end(): void {
    for (const watcher of [...this.#watchers]) watcher.end();
  }

  #remove(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    this.#unlisten?.();
    this.#ended();
    this.#wake();
  }

  async #run(): Promise<void> {
    // New watchers of one tick share a look.
    await Promise.resolve();
    this.#isLooking = true;
    let keepsPresence = false;
    while (this.#watchers.size > 0) {
      this.#moved = false;
      const startedAt = monotonicMs();
      this.#round = { ...this.#round, earliest: Number.POSITIVE_INFINITY };
      const { presenceMs, failed } = await this.#look([...this.#watchers]);
      // Users that came during the round may have been seen long before it. So the round ends after a look for them
      // too.
      await Promise.all(this.#welcomes);
      // Of a round without an answer, or with a failed one, nothing follows: the round before it counts.
      if (!failed && Number.isFinite(this.#round.earliest)) this.#round.since = this.#round.earliest;
      keepsPresence ||= presenceMs !== null;
      const now = monotonicMs();
      const lookMs = failed ? 0 : now - startedAt;
      const hears = !failed && this.#parts.subscription.hears(this.#parts.channel);
      const seenMs = (presenceMs ?? Number.POSITIVE_INFINITY) / 3;
      const pollMs = Math.min(hears ? POLL_WHILE_HEARING_MS : POLL_MS, seenMs);
      // A long look still shows watchers, and is seen by the sweep, often enough.
      const restMs = Math.min(POLL_MS, seenMs, Math.max(SHORTEST_MS, REST * lookMs));
      await this.#sleep(restMs, Math.max(restMs, pollMs));
    }
    if (keepsPresence) await this.#parts.track(this.#stop());
  }

  /** If this is lost, the users are kept for a while longer. */
  async #stop(): Promise<void> {
    try {
      const line = await this.#parts.find(this.#campaignId);
      await line.stopWatching(this.#id);
    } catch {}
  }

  /** Each look is a sign of life of its users, so it must come more often than `presenceMs`. */
  async #look(watchers: readonly Watcher[]): Promise<{ presenceMs: number | null; failed: boolean }> {
    let line: Line;
    try {
      line = await this.#parts.find(this.#campaignId);
    } catch (error) {
      this.#trouble(watchers, error);
      return { presenceMs: null, failed: true };
    }
    const { presenceMs = null } = line.campaign.rules.room ?? {};
    const failed: { watcher: Watcher; error: unknown }[] = [];
    for (let first = 0; first < watchers.length; first += LOOKS_AT_A_TIME) {
      const some = watchers.slice(first, first + LOOKS_AT_A_TIME).filter(({ isOver }) => !isOver);
      const looks = some.map(async (watcher) => {
        await line.find(watcher.userId, this.#round).then(
          (standing) => watcher.saw(standing),
          (error: unknown) => failed.push({ watcher, error }),
        );
      });
      await Promise.all(looks);
    }
    if (failed.length === 0) return { presenceMs, failed: false };
    this.#trouble(
      failed.map(({ watcher }) => watcher),
      failed[0]!.error,
    );
    return { presenceMs, failed: true };
  }

  #trouble(watchers: readonly Watcher[], error: unknown): void {
    if (error instanceof NotReadyError) {
      for (const watcher of watchers) watcher.tell({ status: 'not_ready', reason: error.reason });
      return;
    }
    // Nobody is waiting for it any more.
    if (watchers.every(({ isOver }) => isOver)) return;
    const isPassing = PASSING.includes((error as { code?: unknown })?.code) && !isForbidden(error);
    // Redis comes back. A missing right does not, nor does a campaign that nobody opened, or that has no waiting room.
    if (!isPassing) for (const watcher of watchers) watcher.fail(error);
    else this.#parts.emit({ type: 'fault', during: 'watch', campaignId: this.#campaignId, error: redacted(error) });
  }

  /**
   * Messages may need a connection of their own. So it is opened for users that a look found in the line, and still
   * watch after a rest. The look that follows sees each change of the meantime.
   */
  #listen(): void {
    if (this.#unlisten || this.#watchers.size === 0) return;
    const { subscription, channel } = this.#parts;
    this.#unlisten = subscription.listen(channel, (message) => {
      if (message === 'moved' || message === RECONNECTED) this.moved();
    });
    // Another listener of this process has opened it: nobody tells of its beginning.
    if (subscription.hears(channel)) this.moved();
  }

  /** Until something moved, but not before `leastMs`, and at most until `mostMs`. */
  async #sleep(leastMs: number, mostMs: number): Promise<void> {
    await this.#wait(
      leastMs,
      () => this.#watchers.size === 0,
      (timer) => timer,
    );
    this.#listen();
    // From here on a message ends the wait, and its connection keeps the process alive.
    await this.#wait(
      mostMs - leastMs,
      () => this.#moved || this.#watchers.size === 0,
      (timer) => timer.unref?.(),
    );
  }

  async #wait(ms: number, isOver: () => boolean, begin: (timer: NodeJS.Timeout) => unknown): Promise<void> {
    if (isOver() || ms <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      begin(timer);
      this.#wake = () => {
        if (!isOver()) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }
}
