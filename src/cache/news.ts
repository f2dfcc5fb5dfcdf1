import { CachedEntries } from '../redis/cached.js';
import { RECONNECTED, type Subscription } from '../redis/subscription.js';

interface Listener {
  /** Of any kind. */
  readonly onNews: (id: string) => void;
  readonly onDropped: (id: string) => void;
  /** Messages may have been lost. */
  readonly onGap: () => void;
}

/** The messages about the entries of one cache. A message that is lost costs time, and nothing else. */
export class EntryNews {
  readonly #subscription: Subscription;
  readonly #channel: string;
  readonly #listener: Listener;
  readonly #waiting = new Map<string, Set<() => void>>();
  #stop: (() => void) | null = null;

  constructor(subscription: Subscription, channel: string, listener: Listener) {
    this.#subscription = subscription;
    this.#channel = channel;
    this.#listener = listener;
  }

  /** From the first call on, until `close()`. */
  listen(): void {
    this.#stop ??= this.#subscription.listen(this.#channel, (message) => this.#hear(message));
  }

  /** Resolves with the next message about this entry, and after `ms` without one. */
  change(id: string, ms: number): Promise<void> {
    this.listen();
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(id) ?? new Set();
      const wake = () => {
        clearTimeout(timer);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(id);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#waiting.set(id, waiting.add(wake));
    });
  }

  close(): void {
    this.#stop?.();
    this.#stop = () => {};
    this.#wakeAll();
  }

  #hear(message: string): void {
    if (message === RECONNECTED) {
      this.#listener.onGap();
      this.#wakeAll();
      return;
    }
    const news = CachedEntries.read(message);
    if (!news) return;
    this.#listener.onNews(news.id);
    if (news.dropped) this.#listener.onDropped(news.id);
    for (const wake of [...(this.#waiting.get(news.id) ?? [])]) wake();
  }

  #wakeAll(): void {
    for (const waiting of [...this.#waiting.values()]) for (const wake of [...waiting]) wake();
  }
}
