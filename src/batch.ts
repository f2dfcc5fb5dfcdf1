import { OverloadedError } from './errors.js';

interface Waiting<T, R> {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

export interface BatchOptions<T, R> {
  /** Works on a whole batch; one result each, in order. */
  readonly run: (items: T[]) => Promise<readonly R[]>;
  readonly maxBatch: number;
  /** While this many batches are out, callers gather for the next one. */
  readonly maxInFlight: number;
  /** More callers than this waiting are refused with `OverloadedError`; default: no bound. */
  readonly maxQueued?: number;
}

/** Fewer than this are not worth a second batch, which would have its own fixed price. */
const LEAST_SHARE = 128;

/**
 * Many callers, one call: whatever was added in the same tick, or while `maxInFlight` batches were out, leaves together.
 * A lone caller leaves at the end of its tick. The load itself sets the size of the batches. Where many are under way they share
 * `maxInFlight` batches evenly: a large batch beside a small one would leave the other side idle while either is worked on.
 */
export class Batcher<T, R> {
  readonly #options: BatchOptions<T, R>;
  #queue: Waiting<T, R>[] = [];
  #inFlight = 0;
  /** Callers in the batches that are out. */
  #out = 0;
  #scheduled = false;
  #roomWanted: (() => void)[] = [];

  constructor(options: BatchOptions<T, R>) {
    this.#options = options;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Why one more has no place here, or `null`. */
  overload(): OverloadedError | null {
    const { maxQueued = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#queue.length < maxQueued) return null;
    return new OverloadedError(`more than ${maxQueued} calls are waiting; nothing was reserved`, 1000);
  }

  /** Rejects with `OverloadedError`. */
  add(item: T): Promise<R> {
    const overload = this.overload();
    if (overload) return Promise.reject(overload);
    return new Promise<R>((resolve, reject) => {
      this.#queue.push({ item, resolve, reject });
      this.#schedule();
    });
  }

  /** Resolves once fewer than `maxBatch` callers wait: what feeds this batcher waits here, so that nothing piles up behind it. */
  async room(): Promise<void> {
    while (this.#queue.length >= this.#options.maxBatch) {
      await new Promise<void>((resolve) => {
        this.#roomWanted.push(resolve);
      });
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#options.maxInFlight) return;
    this.#scheduled = true;
    queueMicrotask(this.#sendAll);
  }

  /** Who was just answered may ask again, some promises later, and goes with those who waited. */
  #scheduleAfterAnswers(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#sendAll);
  }

  readonly #sendAll = () => {
    this.#scheduled = false;
    while (this.#queue.length > 0 && this.#inFlight < this.#options.maxInFlight) void this.#send();
  };

  /** How many leave together. */
  #share(): number {
    const { maxBatch, maxInFlight } = this.#options;
    const share = Math.ceil((this.#queue.length + this.#out) / maxInFlight);
    return share < LEAST_SHARE ? maxBatch : Math.min(maxBatch, share);
  }

  async #send(): Promise<void> {
    const { run, maxBatch } = this.#options;
    const size = this.#share();
    const batch = this.#queue.length <= size ? this.#queue : this.#queue.slice(0, size);
    this.#queue = batch === this.#queue ? [] : this.#queue.slice(size);
    this.#inFlight++;
    this.#out += batch.length;
    if (this.#queue.length < maxBatch) for (const resolve of this.#roomWanted.splice(0)) resolve();
    try {
      const results = await run(batch.map((waiting) => waiting.item));
      batch.forEach((waiting, i) => {
        waiting.resolve(results[i] as R);
      });
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    } finally {
      this.#inFlight--;
      this.#out -= batch.length;
      this.#scheduleAfterAnswers();
    }
  }
}
