import { onAbort } from '../flow/abort-group.js';
import type { Eligible } from '../issue/eligibility.js';
import { assertInteger, assertSignal, assertText, ownCopy } from '../model/check.js';
import type { JoinResult, LeaveResult, Standing, WaitingChange } from '../model/place.js';
import { redacted } from '../model/safe-error.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { assertUserId } from '../persistence/user-id.js';
import type { Campaigns } from '../redis/campaigns.js';
import type { RedisClient } from '../redis/client.js';
import { channelOf, type Line } from '../redis/line.js';
import type { LineOptions } from '../redis/line-replies.js';
import { notReady } from '../redis/reply-words.js';
import type { Serving } from '../redis/serving.js';
import type { RedisContext } from '../redis/shard.js';
import { RECONNECTED, Subscription } from '../redis/subscription.js';
import { type AdmissionParts, type AdmitResult, type AdmittedBatch, admitBatch, tendLine } from './admission.js';
import { Announcer } from './announcer.js';
import { checkedJoin, type JoinRequest, join } from './join.js';
import { Lines } from './lines.js';
import { CampaignWatch } from './watch-round.js';

/** The user to watch. */
export interface WatchRequest {
  readonly userId: string;
  /** Ends the watching. */
  readonly signal?: AbortSignal | undefined;
}

export interface WaitingRoomParts extends Omit<AdmissionParts, 'moved'> {
  readonly redis: RedisClient;
  readonly context: RedisContext;
  readonly campaigns: Campaigns;
  readonly lines: LineOptions;
  readonly eligible: Eligible | undefined;
  readonly adapter: PersistenceAdapter | undefined;
  readonly track: <T>(work: Promise<T>) => Promise<T>;
}

const MOST_ADMITTED = 1_000_000;

/** The waiting rooms of an issuer: joining, admission and watching. */
export class WaitingRoom {
  readonly #parts: WaitingRoomParts;
  readonly #lines: Lines;
  readonly #subscription: Subscription;
  readonly #watches = new Map<string, CampaignWatch>();
  readonly #announcer: Announcer;
  readonly #wakers = new Set<(campaignId: string) => void>();

  constructor(parts: WaitingRoomParts) {
    this.#parts = parts;
    this.#lines = new Lines(parts.campaigns, parts.lines, (line) => this.#woke(line));
    const onFault = (campaignId: string | null, error: unknown) =>
      parts.steps.emit({ type: 'fault', during: 'watch', campaignId, error: redacted(error) });
    this.#announcer = new Announcer({ track: parts.track, onFault });
    this.#subscription = new Subscription(parts.redis, (error) => onFault(null, error));
  }

  async join(campaignId: string, given: JoinRequest): Promise<JoinResult> {
    const { campaigns, eligible, adapter, timeoutMs, steps } = this.#parts;
    const request = checkedJoin(given, steps);
    assertUserId(adapter, request.userId);
    return join(campaignId, request, {
      campaigns,
      lines: this.#lines,
      eligible,
      timeoutMs,
      emit: steps.emit,
      leave: (line, userId) => this.#leave(line, userId),
    });
  }

  async leave(campaignId: string, given: { userId: string }): Promise<LeaveResult> {
    const userId = checkedUser('leave', given, this.#parts.adapter);
    return this.#leave(await this.#lines.get(campaignId), userId);
  }

  async #leave(line: Line, userId: string): Promise<LeaveResult> {
    const { result, now } = await line.leave(userId);
    if (now) {
      this.#parts.steps.emit({ type: 'places_ended', campaignId: line.campaign.id, reason: 'left', count: 1 });
      this.#moved(line);
    }
    return result;
  }

  async find(serving: Serving, userId: string): Promise<Standing> {
    return this.#lines.of(serving).find(userId);
  }

  /** Lets up to `count` through, batch after batch. */
  async admit(campaignId: string, count: number, batchSize: number): Promise<AdmitResult> {
    const serving = await this.#parts.campaigns.equipped(campaignId);
    if (typeof serving === 'string') throw notReady(campaignId, serving);
    const line = this.#lines.of(serving);
    await tendLine(line, this.#admission);
    const sum = { admitted: 0, issued: 0 };
    while (sum.admitted < count) {
      const size = Math.min(batchSize, count - sum.admitted);
      const batch = await this.admitBatch(serving, size, false, sum.issued > 0);
      if (batch.status !== 'admitted') {
        if (sum.admitted === 0) return { status: batch.status };
        break;
      }
      sum.admitted += batch.admitted;
      sum.issued += batch.issued;
      // Nobody is left in line, or the database does not save: an admitted user does not come back into the
      // line.
      if (batch.gone === 0 || (batch.admitted > 0 && batch.issued === 0)) break;
    }
    const { waiting } = await tendLine(line, this.#admission);
    return { status: 'admitted', ...sum, waiting };
  }

  /** `paced`: no more than the pace of the campaign allows. */
  admitBatch(serving: Serving, size: number, paced: boolean, healthy: boolean): Promise<AdmittedBatch> {
    return admitBatch(serving, this.#lines.of(serving), this.#admission, { size, paced, healthy });
  }

  /** Ends the places of the absent, and a line that is over. */
  async tend(serving: Serving): Promise<void> {
    await tendLine(this.#lines.of(serving), this.#admission);
  }

  watch(campaignId: string, given: WatchRequest): AsyncIterableIterator<WaitingChange> {
    const { userId, signal } = checkedWatch(given);
    assertUserId(this.#parts.adapter, userId);
    const watch = this.#watches.get(campaignId) ?? this.#newWatch(campaignId);
    const watcher = watch.add(userId);
    if (signal) watcher.onEnd(onAbort(signal, () => watcher.end()));
    return watcher;
  }

  /** Something of this campaign was settled: a watcher may have their coupon now. */
  settled(campaignId: string): void {
    const serving = this.#parts.campaigns.known(campaignId);
    if (serving?.campaign.rules.room) this.#moved(this.#lines.of(serving));
  }

  /** A unit or a grant may be free again, and a watcher may wait for a coupon that was revoked. */
  takenBack(campaignId: string): void {
    const serving = this.#parts.campaigns.known(campaignId);
    if (serving) this.changed(serving);
  }

  /** The campaign was paused, resumed or restocked: watchers and workers look at once. */
  changed(serving: Serving): void {
    if (!serving.campaign.rules.room) return;
    const line = this.#lines.of(serving);
    this.#moved(line);
    this.#woke(line);
  }

  /** Calls `wake` when a user joins an empty line of this campaign, in any process. Returns a function that ends it. */
  onJoined(campaignId: string, wake: () => void): () => void {
    const here = (id: string) => id === campaignId && wake();
    this.#wakers.add(here);
    const unlisten = this.#subscription.listen(this.#channelOf(campaignId), (message) => {
      if (message === 'joined' || message === RECONNECTED) wake();
    });
    return () => {
      this.#wakers.delete(here);
      unlisten();
    };
  }

  /** Ends all watching. */
  close(): void {
    for (const watch of [...this.#watches.values()]) watch.end();
  }

  get #admission(): AdmissionParts {
    return { ...this.#parts, moved: (line) => this.#moved(line) };
  }

  #woke(line: Line): void {
    for (const wake of this.#wakers) wake(line.campaign.id);
    this.#announcer.tell(line, 'joined');
  }

  #moved(line: Line): void {
    this.#watches.get(line.campaign.id)?.moved();
    this.#announcer.tell(line, 'moved');
  }

  #newWatch(campaignId: string): CampaignWatch {
    const parts = {
      find: (id: string) => this.#lines.get(id),
      subscription: this.#subscription,
      channel: this.#channelOf(campaignId),
      track: this.#parts.track,
      emit: this.#parts.steps.emit,
    };
    const watch = new CampaignWatch(campaignId, parts, () => this.#watches.delete(campaignId));
    this.#watches.set(campaignId, watch);
    return watch;
  }

  #channelOf(campaignId: string): string {
    return channelOf(this.#parts.context, campaignId);
  }
}

export function checkedUser(call: string, given: { userId: string }, adapter: PersistenceAdapter | undefined): string {
  const { userId } = ownCopy(`the argument of ${call}()`, given, ['userId']);
  assertText('userId', userId);
  assertUserId(adapter, userId);
  return userId;
}

function checkedWatch(given: WatchRequest): WatchRequest {
  const own = ownCopy('the argument of watch()', given, ['userId', 'signal']);
  assertText('userId', own.userId);
  assertSignal(own.signal);
  return own;
}

/** Throws `InvalidArgumentError`. */
export function checkedCount(options: { count: number }): number {
  const { count } = ownCopy('the argument of admit()', options, ['count']);
  assertInteger('count', count, 1, MOST_ADMITTED);
  return count;
}
