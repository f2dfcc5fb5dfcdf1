import { monotonicMs } from '../flow/deadline.js';

interface Kept<V> {
  readonly id: string;
  readonly value: V;
  readonly until: number;
}

/** The values in the memory of this process. The longest unused goes first. */
export class LocalValues<V> {
  readonly #kept = new Map<string, Kept<V>>();
  readonly #keys = new Map<string, string>();
  readonly #options: { readonly max: number; readonly ttlMs: number };

  constructor(options: { readonly max: number; readonly ttlMs: number }) {
    this.#options = options;
  }

  get(key: string): { readonly value: V } | null {
    const kept = this.#kept.get(key);
    if (!kept) return null;
    this.#kept.delete(key);
    if (kept.until <= monotonicMs()) {
      this.#keys.delete(kept.id);
      return null;
    }
    this.#kept.set(key, kept);
    return kept;
  }

  /** `askedAt`: monotonic ms, before Redis or the loader was asked; `leftMs`: how long the value holds from then. */
  keep(key: string, { id, value, askedAt, leftMs }: { id: string; value: V; askedAt: number; leftMs: number }): void {
    this.#kept.delete(key);
    this.#kept.set(key, { id, value, until: askedAt + Math.min(leftMs, this.#options.ttlMs) });
    this.#keys.set(id, key);
    if (this.#kept.size <= this.#options.max) return;
    const [[oldest, { id: itsId }]] = this.#kept as unknown as [[string, Kept<V>]];
    this.#kept.delete(oldest);
    this.#keys.delete(itsId);
  }

  drop(id: string): void {
    const key = this.#keys.get(id);
    if (key === undefined) return;
    this.#keys.delete(id);
    this.#kept.delete(key);
  }

  clear(): void {
    this.#kept.clear();
    this.#keys.clear();
  }
}
