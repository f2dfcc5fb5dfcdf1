import { Batcher, type Caller } from '../flow/batcher.js';
import { monotonicMs } from '../flow/deadline.js';
import type { Emit } from '../model/events.js';
import type { KnownCampaign } from './known-campaign.js';
import { type CommonRefusal, Refusals } from './refusal-cache.js';
import { mayHold, reserveAll } from './reserve.js';
import { type ReserveRequest, usersPerCall } from './reserve-call.js';
import type { ReserveAnswer } from './reserve-replies.js';
import type { Replicas } from './runner.js';
import type { Shard } from './shard.js';

/** A step after reserve, with a bound to what waits for it. */
export interface LaterStep {
  /** Resolves once it has capacity for a campaign; `null`: it has. */
  capacity(campaignId: string): Promise<void> | null;
}

export interface ServingOptions {
  readonly maxBatch: number;
  readonly maxInFlight: number;
  readonly maxQueued: number;
  /** The steps after reserve: no unit is reserved that they cannot deliver or save soon. */
  readonly following: readonly LaterStep[];
  readonly replicas: Replicas | null;
  /** For how long a refusal is answered from memory; 0: never. */
  readonly refusalCacheMs: number;
  readonly emit: Emit;
}

/** One campaign as this process serves it: its batches, and the last refusal. */
export class Serving {
  readonly campaign: KnownCampaign;
  readonly shard: Shard;
  /** Takes a unit, or says why not. One round trip per batch. */
  readonly reserves: Batcher<ReserveRequest, ReserveAnswer>;
  /** The same for settle, whose users were admitted before. */
  readonly reservesAnew: Batcher<ReserveRequest, ReserveAnswer>;
  readonly #options: ServingOptions;
  #refusals: { readonly epoch: string; readonly recent: Refusals } | null = null;

  constructor(campaign: KnownCampaign, options: ServingOptions) {
    this.campaign = campaign;
    this.shard = campaign.shard;
    this.#options = options;
    const { maxInFlight, maxQueued } = options;
    const maxBatch = Math.min(options.maxBatch, usersPerCall(campaign.rules.perUser));
    const { replicas, emit } = options;
    const ask = (fromLine: boolean, requests: ReserveRequest[], told: Caller<readonly ReserveAnswer[]>) => {
      const remembers = !fromLine && options.refusalCacheMs > 0;
      const caller = remembers ? this.#remembering(requests, told) : told;
      reserveAll(campaign, requests, { replicas, emit, fromLine }, caller);
    };
    const reserve = (fromLine: boolean) => (requests: ReserveRequest[], told: Caller<readonly ReserveAnswer[]>) => {
      if (this.#hasCapacity()) ask(fromLine, requests, told);
      else
        this.#capacity()
          .then(() => ask(fromLine, requests, told))
          .catch((error: unknown) => told.reject(error));
      return undefined;
    };
    this.reserves = new Batcher({
      run: reserve(false),
      maxBatch,
      maxInFlight,
      maxQueued,
      left: 'nothing was reserved',
    });
    this.reservesAnew = new Batcher({ run: reserve(true), maxBatch, maxInFlight });
  }

  /** The last refusal, if it is recent enough for this user. No round trip. */
  recentRefusal(userId: string): CommonRefusal | null {
    if (!this.#refusals) return null;
    const { epoch, recent } = this.#refusals;
    return epoch === this.shard.epoch ? recent.of(userId) : null;
  }

  /** Of the steps after reserve. In write-behind a worker saves the backlog, at its own pace. */
  #hasCapacity(): boolean {
    const { id, rules } = this.campaign;
    return rules.saveMode === 'write-behind' || this.#options.following.every((step) => step.capacity(id) === null);
  }

  async #capacity(): Promise<void> {
    for (const step of this.#options.following) await step.capacity(this.campaign.id);
  }

  /** Remembers the refusals on the way to their callers. Where no answer came, each of them may hold something. */
  #remembering(
    requests: readonly ReserveRequest[],
    told: Caller<readonly ReserveAnswer[]>,
  ): Caller<readonly ReserveAnswer[]> {
    const askedAt = monotonicMs();
    const remember = (answers: readonly ReserveAnswer[]) => {
      const refusals = this.#refusalsOf(this.shard.epoch);
      refusals.know(requests.flatMap(({ userId }, i) => (mayHold(answers[i]) ? [userId] : [])));
      for (const answer of answers) {
        if (answer.word === 'closed') refusals.note({ status: 'closed', closedAt: answer.closedAt }, askedAt);
        else if (answer.word === 'sold_out' || answer.word === 'paused')
          refusals.note({ status: answer.word }, askedAt);
      }
    };
    return {
      resolve(answers) {
        remember(answers);
        told.resolve(answers);
      },
      reject(error) {
        remember([]);
        told.reject(error);
      },
    };
  }

  /** The memory of one making of the campaign says nothing about the next. */
  #refusalsOf(epoch: string): Refusals {
    if (this.#refusals?.epoch !== epoch) {
      this.#refusals = { epoch, recent: new Refusals(this.#options.refusalCacheMs) };
    }
    return this.#refusals.recent;
  }
}
