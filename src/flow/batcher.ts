import { AsyncResource } from 'node:async_hooks';
import { OverloadedError } from '../model/errors.js';

/**
 * Receives the result of one item. One whose `resolve` throws is rejected; the others of the batch are told all the
 * same.
 */
export interface Caller<R> {
  resolve(result: R): void;
  reject(error: unknown): void;
}

/**
 * A caller that gets its result in its own async context: an AsyncLocalStorage belongs to the call, not to the batch.
 */
export class InContext<R> extends AsyncResource implements Caller<R> {
  readonly #caller: Caller<R>;

  constructor(caller: Caller<R>) {
    super('coupon-issuer');
    this.#caller = caller;
  }

  resolve(result: R): void {
    this.runInAsyncScope(this.#caller.resolve, this.#caller, result);
  }

  reject(error: unknown): void {
    this.runInAsyncScope(this.#caller.reject, this.#caller, error);
  }
}

export interface BatchOptions<T, R> {
  /**
   * Works on a whole batch; one result each, in order. Instead of returning a promise, it may tell them to `told`, once
   * and later than it returns.
   */
  readonly run: (items: T[], told: Caller<readonly R[]>) => Promise<readonly R[]> | undefined;
  readonly maxBatch: number;
  /** While this many batches are out, callers gather for the next one. */
  readonly maxInFlight: number;
  /** More callers than this waiting are refused with `OverloadedError`; default: no bound. */
  readonly maxQueued?: number;
  /** What a refused caller left, for the message of its error. */
  readonly left?: string;
  /** Called after each batch, once its place is free. */
  readonly freed?: () => void;
}

/** Fewer than this are not worth a second batch, which would have its own fixed price. */
const LEAST_SHARE = 128;

/**
 * Many callers, one call: whatever was added in the same tick, or while `maxInFlight` batches were out, leaves
 * together. A lone caller leaves at the end of its tick. The load itself sets the size of the batches. Where many are
 * under way they share `maxInFlight` batches evenly: a large batch beside a small one would leave the other side idle
 * while either is worked on.
 */
export class Batcher<T, R> {
  readonly #options: BatchOptions<T, R>;
  #maxInFlight: number;
  /** The queue: each item and, at the same index, its caller. */
  #items: T[] = [];
  #callers: Caller<R>[] = [];
  #inFlight = 0;
  /** Callers in the batches that are out. */
  #out = 0;
  #scheduled = false;
  #capacityWanted: (() => void)[] = [];

  constructor(options: BatchOptions<T, R>) {
    this.#options = options;
    this.#maxInFlight = options.maxInFlight;
  }

  get queued(): number {
    return this.#items.length;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** From now on this many batches may be out; those that are out stay. 0: callers gather, and nothing leaves. */
  limit(maxInFlight: number): void {
    const isMore = maxInFlight > this.#maxInFlight;
    this.#maxInFlight = maxInFlight;
    if (isMore && this.#items.length > 0) this.#schedule();
  }

  /** Takes the items that `isTaken` names, and their callers, out of the queue. */
  take(isTaken: (item: T) => boolean): [item: T, caller: Caller<R>][] {
    const taken: [T, Caller<R>][] = [];
    const [items, callers] = [this.#items, this.#callers];
    [this.#items, this.#callers] = [[], []];
    for (const [i, item] of items.entries()) {
      if (isTaken(item)) taken.push([item, callers[i]!]);
      else {
        this.#items.push(item);
        this.#callers.push(callers[i]!);
      }
    }
    this.#tellCapacity();
    return taken;
  }

  /** Why one more has no place here, or `null`. */
  overload(): OverloadedError | null {
    const { maxQueued = Number.POSITIVE_INFINITY, left = 'nothing was sent' } = this.#options;
    if (this.#items.length < maxQueued) return null;
    return new OverloadedError(
      `the queue is full (maxQueued ${maxQueued}); ${left}; try again after retryAfterMs`,
      1000,
    );
  }

  /** Rejects with `OverloadedError`. */
  add(item: T): Promise<R> {
    return new Promise<R>((resolve, reject) => this.hand(item, { resolve, reject }));
  }

  /** The same without a promise, for callers that have a place for the answer. */
  hand(item: T, caller: Caller<R>): void {
    const overload = this.overload();
    if (overload) {
      caller.reject(overload);
      return;
    }
    this.#items.push(item);
    this.#callers.push(caller);
    this.#schedule();
  }

  /**
   * Resolves once fewer than `maxBatch` callers wait, `null` where that is so now: the step before this batcher waits
   * here, so that nothing piles up behind it.
   */
  capacity(): Promise<void> | null {
    if (this.#items.length < this.#options.maxBatch) return null;
    return new Promise<void>((resolve) => {
      this.#capacityWanted.push(resolve);
    }).then(() => this.capacity() ?? undefined);
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#maxInFlight) return;
    this.#scheduled = true;
    queueMicrotask(this.#sendAll);
  }

  /** A caller with an answer may ask again, some promises later, and joins the queue. */
  #scheduleAfterAnswers(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#sendAll);
  }

  readonly #sendAll = () => {
    this.#scheduled = false;
    while (this.#items.length > 0 && this.#inFlight < this.#maxInFlight) this.#send();
  };

  /** How many leave together. */
  #share(): number {
    const { maxBatch } = this.#options;
    const share = Math.ceil((this.#items.length + this.#out) / this.#maxInFlight);
    return share < LEAST_SHARE ? maxBatch : Math.min(maxBatch, share);
  }

  /** The head of the queue, at most as long as the share. */
  #next(): [items: T[], callers: Caller<R>[]] {
    const size = this.#share();
    const batch: [T[], Caller<R>[]] = [this.#items, this.#callers];
    if (this.#items.length <= size) {
      [this.#items, this.#callers] = [[], []];
      return batch;
    }
    [this.#items, this.#callers] = [this.#items.slice(size), this.#callers.slice(size)];
    return [batch[0].slice(0, size), batch[1].slice(0, size)];
  }

  #send(): void {
    const [items, callers] = this.#next();
    this.#inFlight++;
    this.#out += items.length;
    this.#tellCapacity();
    const told = new BatchCallers(callers, this.#cameBack);
    try {
      this.#options.run(items, told)?.then(
        (results) => told.resolve(results),
        (error: unknown) => told.reject(error),
      );
    } catch (error) {
      told.reject(error);
    }
  }

  readonly #cameBack = (size: number) => {
    this.#inFlight--;
    this.#out -= size;
    this.#options.freed?.();
    this.#scheduleAfterAnswers();
  };

  #tellCapacity(): void {
    if (this.#items.length < this.#options.maxBatch) for (const resolve of this.#capacityWanted.splice(0)) resolve();
  }
}

/** The callers of one batch, which are told its results. */
class BatchCallers<R> implements Caller<readonly R[]> {
  readonly #callers: readonly Caller<R>[];
  readonly #cameBack: (size: number) => void;

  constructor(callers: readonly Caller<R>[], cameBack: (size: number) => void) {
    this.#callers = callers;
    this.#cameBack = cameBack;
  }

  resolve(results: readonly R[]): void {
    try {
      for (let i = 0; i < this.#callers.length; i++) tell(this.#callers[i]!, results[i] as R);
    } finally {
      this.#cameBack(this.#callers.length);
    }
  }

  reject(error: unknown): void {
    try {
      for (const caller of this.#callers) caller.reject(error);
    } finally {
      this.#cameBack(this.#callers.length);
    }
  }
}

/** One whose `resolve` throws is rejected. */
export function tell<R>(caller: Caller<R>, result: R): void {
  try {
    caller.resolve(result);
  } catch (error) {
    caller.reject(error);
  }
}
