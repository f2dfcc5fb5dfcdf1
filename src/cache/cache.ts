import { withDeadline } from '../flow/deadline.js';
import { tell } from '../flow/progress.js';
import { reading } from '../flow/source.js';
import {
  assertFunction,
  assertInteger,
  assertObject,
  assertOnlyKeys,
  assertSignal,
  assertText,
} from '../model/check.js';
import { HookError, invalid } from '../model/errors.js';
import { inCall, type Operation } from '../model/methods.js';
import { CACHE, type CacheMessage } from '../tracing/channels.js';
import { textOf } from './loading.js';
import type { Reader, ReaderParts } from './reader.js';

export interface WarmOptions {
  /** How many keys are read at a time: 1–1,000; default 8. */
  readonly concurrency?: number | undefined;
  /** Receives the counts after each key. If it throws, the call ends with that error. */
  readonly onProgress?: ((progress: WarmResult) => void) | undefined;
  /** Ends the call between two keys. */
  readonly signal?: AbortSignal | undefined;
}

export interface WarmResult {
  readonly warmed: number;
  readonly failed: number;
  /** The error of the first key that failed. */
  readonly firstError: Error | null;
}

const AT_ONCE = 64;

export interface CacheCalls {
  /** Throws `ClosedError` once nothing may ask any more. */
  readonly assertNotClosed: () => void;
  /** Throws `ClosedError` as soon as the issuer is being closed: for work that goes on for long. */
  readonly assertNotClosing: () => void;
  readonly call: <T>(operation: Operation, work: () => Promise<T>) => Promise<T>;
}

/**
 * Values that are loaded once over all processes, refreshed before they expire, and never older than an invalidation
 * that was answered. Made by `issuer.cache()`. A key is 1–128 bytes of UTF-8; Redis gets a hash of it. A value is frozen,
 * because callers share it.
 *
 * It needs no campaign, and never stops one: while Redis cannot be asked, it loads at a bounded rate.
 */
export class Cache<V> {
  readonly #parts: ReaderParts<V>;
  readonly #calls: CacheCalls;
  readonly #reader: Reader<V>;

  /** @internal */
  constructor(parts: ReaderParts<V>, reader: Reader<V>, calls: CacheCalls) {
    this.#parts = parts;
    this.#reader = reader;
    this.#calls = calls;
  }

  /**
   * Returns the value of a key, and loads it if need be: one process calls `load`, all others wait for it.
   *
   * One round trip; with `local` often none; where it loads, two more and one to count. Takes at most the issuer's
   * `timeoutMs`. Throws `HookError` if `load` fails or does not answer in time, `OverloadedError` or `RedisError` while
   * Redis is away, `InvalidArgumentError`, `ClosedError`.
   *
   * @example
   * ```ts
   * const grades = issuer.cache({ name: 'grade', ttlMs: 60_000, load: async (userId) => ({ of: userId, grade: 'gold' }) });
   * const { grade } = await grades.get('kim');
   * ```
   */
  async get(key: string): Promise<V> {
    assertText('key', key);
    this.#calls.assertNotClosed();
    const kept = CACHE.isHeard ? null : this.#parts.local?.get(key);
    // Nothing is under way, so nothing has to end before the issuer closes.
    return kept ? kept.value : this.#calls.call('cacheGet', () => this.#read(key));
  }

  /**
   * Returns the values of keys in their order. Each key costs the same as in `get`, 64 keys at a time. Throws the error
   * of the first key that failed.
   *
   * @example
   * ```ts
   * const grades = issuer.cache({ name: 'grades', ttlMs: 60_000, load: async () => 'gold' });
   * const [kim, lee] = await grades.getMany(['kim', 'lee']);
   * ```
   */
  async getMany(keys: readonly string[]): Promise<V[]> {
    if (!Array.isArray(keys)) throw invalid('keys', 'must be an array of strings');
    for (const [i, key] of keys.entries()) assertText(`keys[${i}]`, key);
    return this.#calls.call('cacheGetMany', async () => {
      const values = new Map<string, V>();
      const unread = eachOf(new Set(keys));
      const read = async () => {
        for (const key of unread) values.set(key, await this.#read(key));
      };
      const reading = Array.from({ length: AT_ONCE }, read);
      this.#parts.track(Promise.allSettled(reading));
      await Promise.all(reading);
      return keys.map((key) => values.get(key) as V);
    });
  }

  /**
   * Replaces the value of a key, after you committed it. Once it returns, no process answers the value before it, but for
   * `local` of other caches. A `set` or `invalidate` of another process in between wins, and the next `get` loads.
   *
   * The order of calls may differ from the order of commits. A `set` that comes after the `set` or `invalidate` of a later
   * commit brings its older value back. So where processes write one key at the same time, call `invalidate`.
   *
   * Two round trips, and one to count; at most three times the issuer's `timeoutMs`. Throws `RedisError`: either value may
   * be there, so call `invalidate` until it returns. Throws `InvalidArgumentError`, `MisconfiguredError`, `ClosedError`.
   *
   * @example
   * ```ts
   * const grades = issuer.cache({ name: 'written', ttlMs: 60_000, load: async () => 'gold' });
   * await grades.set('kim', 'silver');
   * ```
   */
  async set(key: string, value: V): Promise<void> {
    assertText('key', key);
    const text = textOf(value);
    if (text === null) throw invalid('value', 'must be JSON');
    await this.#changing('cacheSet', key, (id) => this.#reader.replace(id, text));
  }

  /**
   * Drops the value of a key, after you committed its change. Once it returns, no process answers a value that was loaded
   * before, but for `local` of other caches; a load that is under way stores nothing.
   *
   * One round trip. Throws `RedisError`: the old value may still be there, so repeat the call; if nobody does, it ends
   * with `ttlMs` and `staleMs`. Throws `InvalidArgumentError`, `MisconfiguredError`, `ClosedError`.
   *
   * @example
   * ```ts
   * const grades = issuer.cache({ name: 'dropped', ttlMs: 60_000, load: async () => 'gold' });
   * await grades.invalidate('kim');
   * ```
   */
  async invalidate(key: string): Promise<void> {
    assertText('key', key);
    await this.#changing('cacheInvalidate', key, (id) => this.#parts.entries.drop(id));
  }

  /**
   * Reads keys before they are asked for, and loads those that are missing. A key that fails is counted, and the others
   * go on. Give an array, a generator or a stream of lines. `close()` of the issuer ends it between two keys.
   *
   * Each key costs the same as in `get`. Throws `InvalidArgumentError`, `ClosedError`, the error of the keys, and the
   * reason of the signal.
   *
   * @example
   * ```ts
   * const grades = issuer.cache({ name: 'warm', ttlMs: 60_000, load: async () => 'gold' });
   * const { warmed, failed } = await grades.warm(['kim', 'lee'], { onProgress: ({ warmed }) => console.log(warmed) });
   * ```
   */
  async warm(keys: Iterable<string> | AsyncIterable<string>, options: WarmOptions = {}): Promise<WarmResult> {
    const { concurrency, onProgress, signal } = checkedWarming(options);
    this.#calls.assertNotClosing();
    return this.#calls.call('cacheWarm', () =>
      reading('keys', keys, async (source) => {
        source.endWith(signal);
        const progress = { warmed: 0, failed: 0, firstError: null as Error | null };
        const running = new Set<Promise<void>>();
        const one = async (key: string) => {
          try {
            await this.#read(key);
            progress.warmed++;
          } catch (error) {
            progress.failed++;
            progress.firstError ??= inCall('cacheWarm', error) as Error;
          }
          tell(onProgress, { ...progress });
        };
        let fault: { error: unknown } | null = null;
        for (let n = 0; !fault; n++) {
          const step = await source.next();
          if (step.done) break;
          this.#calls.assertNotClosing();
          assertText(`keys[${n}]`, step.value);
          const work: Promise<void> = one(step.value)
            .catch((error: unknown) => {
              fault ??= { error };
            })
            .finally(() => running.delete(work));
          this.#parts.track(work);
          running.add(work);
          if (running.size >= concurrency) await Promise.race(running);
        }
        await Promise.all(running);
        if (fault) throw (fault as { error: unknown }).error;
        return progress;
      }),
    );
  }

  #read(key: string): Promise<V> {
    if (!CACHE.isHeard) return this.#ask(key, null);
    const message: CacheMessage = { name: this.#parts.options.name, result: 'failed' };
    return CACHE.run(
      message,
      () => this.#ask(key, message),
      () => {},
    );
  }

  #ask(key: string, message: CacheMessage | null): Promise<V> {
    const { local, news, options, timeoutMs, track } = this.#parts;
    const kept = local?.get(key);
    if (kept && message) message.result = 'local';
    if (kept) return Promise.resolve(kept.value);
    if (local) news.listen();
    const asked = this.#reader.get(key, message);
    const late = () => {
      track(asked.catch(() => {}));
      return new HookError(`cache ${options.name}: no value within ${timeoutMs} ms; the load goes on`);
    };
    return withDeadline(asked, timeoutMs, late);
  }

  /** An answer to a look that was sent before the change must not be remembered after it. */
  async #changing(operation: Operation, key: string, change: (id: string) => Promise<unknown>): Promise<void> {
    const id = this.#parts.entries.idOf(key);
    await this.#calls.call(operation, async () => {
      this.#reader.dropped(id);
      await change(id).finally(() => this.#reader.dropped(id));
    });
  }
}

/** A generator is over for all its readers as soon as one of them fails. */
function* eachOf(keys: Iterable<string>): Generator<string, void> {
  yield* keys;
}

function checkedWarming(options: WarmOptions): WarmOptions & { concurrency: number } {
  assertObject('options', options as unknown);
  assertOnlyKeys('options', options, ['concurrency', 'onProgress', 'signal']);
  const { concurrency = 8, onProgress, signal } = options;
  assertInteger('concurrency', concurrency, 1, 1_000);
  assertFunction('onProgress', onProgress);
  assertSignal(signal);
  return { concurrency, onProgress, signal };
}
