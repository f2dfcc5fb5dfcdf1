import { Batcher, type Caller } from '../flow/batcher.js';
import { monotonicMs } from '../flow/deadline.js';
import type { SaveOutcome, SaveRequest } from './save.js';

export interface SaveLanesOptions {
  /** Saves a batch; one outcome each, in order. */
  readonly save: (requests: SaveRequest[], deadlineAt: number) => Promise<readonly SaveOutcome[]>;
  readonly maxBatch: number;
  readonly maxInFlight: number;
}

/** A campaign that is set apart. Its rows wait here; `limit(1)` lets one batch of them out. */
interface Lane {
  readonly campaignId: string;
  readonly batcher: Batcher<SaveRequest, SaveOutcome>;
  isOut: boolean;
  /** The number of its own last batch; 0: none yet. */
  triedAt: number;
}

const UNKNOWN: SaveOutcome = { verdict: 'unknown' };
/**
 * Campaigns that are set apart and have nothing to save are forgotten beyond so many, and so is the order of the
 * others.
 */
const MOST_REMEMBERED = 1_000;

/**
 * The saves of all campaigns share batches. A campaign is sick after a batch with its rows ended unknown or failed as a
 * whole. Its rows then go in batches of their own, one at a time, until one succeeds. Sick campaigns never take the
 * last of the `maxInFlight` places. A shared batch that fails or hangs makes all of its campaigns suspect, and only one
 * of them may be to blame. So those that came through last go first.
 */
export class SaveLanes {
  readonly #options: SaveLanesOptions;
  readonly #shared: Batcher<SaveRequest, SaveOutcome>;
  readonly #lanes = new Map<string, Lane>();
  /** The campaigns of each shared batch that is out. */
  readonly #sharing = new Set<ReadonlySet<string>>();
  /** The number of the last batch in which rows of a campaign came through. */
  readonly #cameThrough = new Map<string, number>();
  #lanesOut = 0;
  #batches = 0;
  #scheduled = false;

  constructor(options: SaveLanesOptions) {
    this.#options = options;
    const { maxBatch, maxInFlight } = options;
    const run = (requests: SaveRequest[]) => this.#saveShared(requests);
    this.#shared = new Batcher({ run, maxBatch, maxInFlight, freed: this.#letOut });
  }

  add(request: SaveRequest): Promise<SaveOutcome> {
    return new Promise((resolve, reject) => this.hand(request, { resolve, reject }));
  }

  /** The same without a promise. */
  hand(request: SaveRequest, caller: Caller<SaveOutcome>): void {
    const batcher = this.#batcherOf(request.reserved.issuance.campaignId);
    batcher.hand(request, caller);
    if (batcher !== this.#shared) this.#schedule();
  }

  /**
   * Resolves once fewer than `maxBatch` callers wait where those of this campaign do, which may change meanwhile. `null`
   * where that is so now.
   */
  capacity(campaignId: string): Promise<void> | null {
    const batcher = this.#batcherOf(campaignId);
    const soon = batcher.capacity();
    if (!soon) return null;
    return soon.then(() =>
      batcher === this.#batcherOf(campaignId) ? undefined : (this.capacity(campaignId) ?? undefined),
    );
  }

  #batcherOf(campaignId: string): Batcher<SaveRequest, SaveOutcome> {
    return this.#lanes.get(campaignId)?.batcher ?? this.#shared;
  }

  async #saveShared(requests: SaveRequest[]): Promise<readonly SaveOutcome[]> {
    const campaigns = new Set(requests.map(({ reserved }) => reserved.issuance.campaignId));
    this.#sharing.add(campaigns);
    try {
      return await this.#save(requests, campaigns);
    } finally {
      this.#sharing.delete(campaigns);
    }
  }

  /** Rows whose callers have no time left are not sent: they would only add to the saves that hang. */
  async #save(requests: SaveRequest[], campaigns: ReadonlySet<string>): Promise<readonly SaveOutcome[]> {
    const deadlineAt = requests.reduce((latest, request) => Math.max(latest, request.deadlineAt), 0);
    if (deadlineAt - monotonicMs() < 1) return requests.map(() => UNKNOWN);
    const outcomes = await this.#options.save(requests, deadlineAt);
    // With one place nothing can be set apart.
    if (this.#options.maxInFlight === 1) return outcomes;
    const sick = new Set(
      requests.flatMap(({ reserved }, i) => (isOfBatch(outcomes[i]!) ? [reserved.issuance.campaignId] : [])),
    );
    const batch = ++this.#batches;
    for (const campaignId of campaigns) {
      if (sick.has(campaignId)) this.#setApart(campaignId);
      else this.#bringBack(campaignId, batch);
    }
    return outcomes;
  }

  #setApart(campaignId: string): void {
    if (this.#lanes.has(campaignId)) return;
    if (this.#lanes.size >= MOST_REMEMBERED) this.#forgetOne();
    const lane: Lane = {
      campaignId,
      isOut: false,
      triedAt: 0,
      batcher: new Batcher({
        run: (requests) => this.#save(requests, new Set([campaignId])),
        maxBatch: this.#options.maxBatch,
        maxInFlight: 0,
        freed: () => this.#cameBack(lane),
      }),
    };
    this.#lanes.set(campaignId, lane);
    move(this.#shared, lane.batcher, ({ reserved }) => reserved.issuance.campaignId === campaignId);
    this.#schedule();
  }

  #bringBack(campaignId: string, batch: number): void {
    if (this.#cameThrough.size >= MOST_REMEMBERED) this.#cameThrough.clear();
    this.#cameThrough.set(campaignId, batch);
    const lane = this.#lanes.get(campaignId);
    if (lane) this.#share(lane);
  }

  #share({ campaignId, batcher }: Lane): void {
    this.#lanes.delete(campaignId);
    move(batcher, this.#shared, () => true);
  }

  #forgetOne(): void {
    const idle = [...this.#lanes.values()].find(({ batcher, isOut }) => batcher.queued === 0 && !isOut);
    if (idle) this.#share(idle);
  }

  #cameBack(lane: Lane): void {
    lane.batcher.limit(0);
    lane.isOut = false;
    this.#lanesOut--;
    this.#letOut();
  }

  /** Rows of one tick leave together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#letOut);
  }

  /**
   * Lets as many lanes go as there are places for them. They come before the shared batches, or under load their turn
   * would never come.
   */
  readonly #letOut = (): void => {
    this.#scheduled = false;
    const { maxInFlight } = this.#options;
    const ready = [...this.#lanes.values()].filter((lane) => this.#mayGo(lane)).sort(this.#order);
    for (const lane of ready) {
      if (this.#lanesOut === maxInFlight - 1 || this.#shared.inFlight + this.#lanesOut >= maxInFlight) break;
      this.#lanesOut++;
      lane.isOut = true;
      lane.triedAt = ++this.#batches;
      lane.batcher.limit(1);
    }
    this.#shared.limit(maxInFlight - this.#lanesOut);
  };

  /** One batch with its rows at a time, the shared ones that left before it was set apart included. */
  #mayGo({ campaignId, batcher, isOut }: Lane): boolean {
    return batcher.queued > 0 && !isOut && ![...this.#sharing].some((campaigns) => campaigns.has(campaignId));
  }

  /**
   * First those that were not tried alone yet, and of these the ones that came through last; then one after another.
   */
  readonly #order = (a: Lane, b: Lane): number => {
    const cameThrough = ({ campaignId }: Lane) => this.#cameThrough.get(campaignId) ?? 0;
    return a.triedAt - b.triedAt || cameThrough(b) - cameThrough(a);
  };
}

/**
 * Whether the reason lies in the batch, so that its other campaigns may have caused it. A time-out of the server, say,
 * is certain for all of them.
 */
function isOfBatch(outcome: SaveOutcome): boolean {
  return outcome.verdict === 'unknown' || (outcome.verdict === 'not_saved' && outcome.refusal === 'no');
}

function move(
  from: Batcher<SaveRequest, SaveOutcome>,
  to: Batcher<SaveRequest, SaveOutcome>,
  isMoved: (request: SaveRequest) => boolean,
): void {
  for (const [request, caller] of from.take(isMoved)) to.hand(request, caller);
}
