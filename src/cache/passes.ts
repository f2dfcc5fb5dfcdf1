import type { CacheMessage } from '../tracing/channels.js';

/** The end of a pass, and the last call that may take it. */
export interface PassEnd<T> {
  readonly upTo: number;
  /** Where its value is from. */
  readonly from?: CacheMessage['result'];
  readonly value?: T;
  readonly error?: unknown;
}

/** All callers that wait may take it: an error is never too old. */
const FOR_ALL = Number.POSITIVE_INFINITY;

/**
 * One pass per key at a time, for all callers of this process. A caller takes the end of a pass only if the pass proved,
 * by a call that was sent after the caller had come, that no invalidation went before it. Otherwise it waits for the
 * next pass, so no caller waits for more than two.
 */
export class Passes<T> {
  readonly #running = new Map<string, Promise<PassEnd<T>>>();
  #sends = 0;

  /** Called right before a call to Redis is sent: callers that came before it have numbers up to this one. */
  sent(): number {
    return this.#sends++;
  }

  async get(id: string, begin: () => Promise<PassEnd<T>>, message: CacheMessage | null): Promise<T> {
    const cameAt = this.#sends;
    for (;;) {
      const running = this.#running.get(id);
      const end = await (running ?? this.#begin(id, begin));
      if (cameAt > end.upTo) continue;
      if ('error' in end) throw end.error;
      if (message) message.result = running ? 'coalesced' : end.from!;
      return end.value as T;
    }
  }

  #begin(id: string, begin: () => Promise<PassEnd<T>>): Promise<PassEnd<T>> {
    const running = begin()
      .catch((error: unknown) => ({ upTo: FOR_ALL, error }))
      .finally(() => this.#running.delete(id));
    this.#running.set(id, running);
    return running;
  }
}
