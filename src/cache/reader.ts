import { monotonicMs } from '../flow/deadline.js';
import { HookError, MisconfiguredError, RedisError } from '../model/errors.js';
import { bareError, redacted } from '../model/safe-error.js';
import type { CachedEntries, Lease } from '../redis/cached.js';
import type { CacheMessage } from '../tracing/channels.js';
import { bytesOf } from './entry-bytes.js';
import type { CacheFaults } from './faults.js';
import { type Loaded, loaded, loadFailed, valueIn } from './loading.js';
import type { LocalValues } from './local.js';
import type { EntryNews } from './news.js';
import type { CheckedCache } from './options.js';
import { LoadRate, Outage } from './outage.js';
import { type PassEnd, Passes } from './passes.js';

const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 500;
/** No lease has this name, so giving it up changes nothing. */
const NOBODYS = '-';

export interface ReaderParts<V> {
  readonly options: CheckedCache<V>;
  readonly entries: CachedEntries;
  readonly news: EntryNews;
  readonly local: LocalValues<V> | null;
  readonly faults: CacheFaults;
  /** The deadline of a call. */
  readonly timeoutMs: number;
  readonly track: (work: Promise<unknown>) => void;
  /** Names one call over all processes. */
  readonly nextCaller: () => string;
}

interface Reading {
  readonly key: string;
  readonly id: string;
  /** An invalidation was heard of meanwhile, so the value is not remembered. */
  dropped: boolean;
  /** The messages about its entry. */
  heard: number;
}

/** A value to be stored. */
type Storable = Pick<Loaded, 'text'> & Partial<Loaded>;

/** Looks values up, and loads them under the lease of their entry. */
export class Reader<V> {
  readonly #parts: ReaderParts<V>;
  readonly #passes = new Passes<V>();
  readonly #reading = new Map<string, Reading>();
  readonly #outage = new Outage();
  readonly #rate: LoadRate | null;
  #took = 1;

  constructor(parts: ReaderParts<V>) {
    const { withoutRedis } = parts.options;
    this.#parts = parts;
    this.#rate = withoutRedis === 'throw' ? null : new LoadRate(withoutRedis.loadsPerSecond);
  }

  get(key: string, message: CacheMessage | null): Promise<V> {
    const id = this.#parts.entries.idOf(key);
    return this.#passes.get(id, () => this.#pass({ key, id, dropped: false, heard: 0 }), message);
  }

  /** The value of this entry is old: it leaves the memory of this process, and a reading under way brings none back. */
  dropped(id: string): void {
    this.#parts.local?.drop(id);
    const reading = this.#reading.get(id);
    if (reading) reading.dropped = true;
  }

  /** A message may overtake the answer to a look: the next look comes at once. */
  heard(id: string): void {
    const reading = this.#reading.get(id);
    if (reading) reading.heard++;
  }

  /** Messages were lost, perhaps about any entry. */
  droppedAll(): void {
    this.#parts.local?.clear();
    for (const reading of this.#reading.values()) reading.dropped = true;
  }

  async #pass(reading: Reading): Promise<PassEnd<V>> {
    this.#reading.set(reading.id, reading);
    try {
      if (this.#outage.isAway) {
        if (this.#outage.mayProbe()) this.#parts.track(this.#probe(reading.id));
        return await this.#withoutRedis(reading, away());
      }
      return await this.#ask(reading).catch((error: unknown) => {
        if (!(error instanceof RedisError || error instanceof MisconfiguredError)) throw error;
        this.#failed(error);
        return this.#withoutRedis(reading, error);
      });
    } finally {
      this.#reading.delete(reading.id);
    }
  }

  /** Behind an answer: no caller waits for a Redis that may still be away. */
  async #probe(id: string): Promise<void> {
    try {
      await this.#parts.entries.ready();
      await this.#parts.entries.giveUp(id, NOBODYS, '', 0);
      this.#outage.answered();
    } catch (error) {
      this.#outage.failed(error);
    }
  }

  async #ask(reading: Reading): Promise<PassEnd<V>> {
    const { entries, news, options, timeoutMs, nextCaller } = this.#parts;
    const { name, leaseMs, beta } = options;
    const until = monotonicMs() + timeoutMs;
    let from: CacheMessage['result'] = 'shared';
    const cameBefore = this.#passes.sent();
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      await entries.ready();
      const early = beta * -Math.log(1 - Math.random());
      const { heard } = reading;
      const seen = this.#seen();
      const call = { caller: nextCaller(), leaseMs, early };
      const found = await entries.find(reading.id, call);
      this.#outage.answered();
      if (found.word === 'refresh') {
        from = 'early';
        this.#parts.track(this.#refresh(reading, found.lease));
      }
      if (found.word === 'load') return this.#load(reading, found.lease, seen.upTo);
      if (found.word === 'apart') return this.#apart(reading);
      if (found.word === 'failed') throw loadFailed(name, errorOf(found.failure));
      if (found.word !== 'loading') return this.#end(reading, { ...found, ...seen, from });
      from = 'coalesced';
      const left = until - monotonicMs();
      if (left <= 0) {
        // Callers that came later have waited for less, so they wait for the next pass.
        const error = `cache ${name}: no load has ended within ${timeoutMs} ms; nothing was stored`;
        return { upTo: cameBefore, error: new HookError(error) };
      }
      if (reading.heard === heard) await news.change(reading.id, Math.min(pause, left));
    }
  }

  /** The end of a pass that saw this value when it asked at `askedAt`. */
  #end(
    { key, id, dropped }: Reading,
    found: { text: string; leftMs: number; askedAt: number; upTo: number; from: CacheMessage['result'] },
  ): PassEnd<V> {
    const { text, leftMs, askedAt, upTo, from } = found;
    const value = valueIn<V>(this.#parts.options.name, text);
    if (!dropped) this.#parts.local?.keep(key, { id, value, askedAt, leftMs });
    return { upTo, value, from };
  }

  /** `upTo`: the last caller that had come when the lease was asked for. */
  async #load(reading: Reading, lease: Lease, upTo: number): Promise<PassEnd<V>> {
    const { ttlMs, staleMs } = this.#parts.options;
    const value = await this.#loaded(reading, lease);
    // The lease is still there when its entry is kept, so no invalidation was answered since the load began: later
    // callers may have the value as well. If it is not there, they ask again.
    const kept = await this.#keep(reading.id, lease, value);
    if (kept === null) reading.dropped = true;
    const seen = kept ?? { askedAt: 0, upTo };
    return this.#end(reading, { text: value.text, leftMs: ttlMs + staleMs, ...seen, from: 'loaded' });
  }

  /** Behind an answer: its failure reaches no caller. */
  async #refresh(reading: Reading, lease: Lease): Promise<void> {
    try {
      const value = await this.#loaded(reading, lease);
      await this.#keep(reading.id, lease, value);
    } catch (error) {
      this.#parts.faults.tell('refresh', error);
    }
  }

  async #loaded({ key, id }: Reading, { token }: Lease): Promise<Loaded> {
    const { entries, options, track } = this.#parts;
    try {
      const value = await loaded(options, key);
      this.#took = value.took;
      return value;
    } catch (error) {
      const { name, message } = (error as HookError).cause as Error;
      track(entries.giveUp(id, token, `${name}: ${message}`, options.failedMs).catch((fault) => this.#failed(fault)));
      throw error;
    }
  }

  /**
   * Stores a value under a lease, or ends the lease if it may not be stored. Returns the last caller that had come when
   * the lease was seen for the last time; `null`: it was no longer there, or Redis did not say. Without `took`, the last
   * load of this process tells how early it is refreshed.
   */
  async #keep(id: string, lease: Lease, { text, took = this.#took }: Storable) {
    const { entries, options, track } = this.#parts;
    const { ttlMs, staleMs, jitter, failedMs } = options;
    const { token } = lease;
    try {
      const counted = await this.#counted(text, lease);
      const seen = this.#seen();
      if (counted === null) return (await entries.giveUp(id, token, '', failedMs)) ? seen : null;
      const jittered = Math.max(1, Math.round(ttlMs * (1 - jitter * Math.random())));
      return (await entries.store(id, { token, value: text, ttlMs: jittered, staleMs, took, counted })) ? seen : null;
    } catch (error) {
      // A Redis that is full refuses a value, and lets the lease go: nobody has to wait for its end.
      track(entries.giveUp(id, token, '', 0).catch(() => {}));
      this.#failed(error);
      return null;
    }
  }

  /** Stores a value in the place of the one before, after that is dropped. */
  async replace(id: string, text: string): Promise<void> {
    const { entries, options, nextCaller } = this.#parts;
    if (!this.fits(text)) return entries.drop(id);
    const lease = await entries.replace(id, nextCaller(), options.leaseMs);
    // The old value is gone. Without the new one, the next caller loads.
    await this.#keep(id, lease, { text });
  }

  /** Whether a value is small enough to be stored. */
  fits(text: string): boolean {
    const { name, maxBytes } = this.#parts.options;
    const bytes = Buffer.byteLength(text);
    if (bytes <= maxBytes) return true;
    const error = new Error(`cache ${name}: a value has ${bytes} bytes, more than maxBytes; it is not stored`);
    this.#parts.faults.tell('size', error);
    return false;
  }

  /** Counts a value, unless its entry is counted for as much and as long. `null`: it may not be stored. */
  async #counted(text: string, { counted }: Lease): Promise<string | null> {
    const { entries, faults, options } = this.#parts;
    const { name, maxTotalBytes, lifeMs } = options;
    if (!this.fits(text)) return null;
    const bytes = bytesOf(text);
    if (maxTotalBytes === Number.POSITIVE_INFINITY) return '';
    if (counted.bytes >= bytes && counted.leftMs >= lifeMs) return '';
    const count = await entries.count(bytes, maxTotalBytes, lifeMs);
    if (count === null) {
      const error = `cache ${name}: its values take maxTotalBytes (${maxTotalBytes}); more is not stored`;
      faults.tell('total', new Error(error));
    }
    return count;
  }

  /** The moment of a call that is sent now, for its pass and for the memory of this process. */
  #seen(): { askedAt: number; upTo: number } {
    return { askedAt: monotonicMs(), upTo: this.#passes.sent() };
  }

  async #withoutRedis(reading: Reading, error: unknown): Promise<PassEnd<V>> {
    if (!this.#rate) throw error;
    this.#rate.take(this.#parts.options.name);
    return this.#apart(reading);
  }

  /** Loads for this process alone, and stores nothing. */
  async #apart(reading: Reading): Promise<PassEnd<V>> {
    const { options } = this.#parts;
    const seen = this.#seen();
    const { text } = await loaded(options, reading.key);
    return this.#end(reading, { text, leftMs: options.ttlMs, ...seen, from: 'loaded' });
  }

  #failed(error: unknown): void {
    this.#outage.failed(error);
    this.#parts.faults.tell('redis', error);
  }
}

function away(): RedisError {
  return new RedisError('Redis did not answer a moment ago, and is asked again within a second', {
    outcome: 'not_applied',
  });
}

/** The error that another process left: `Name: message`, redacted there. */
function errorOf(failure: string): Error {
  const [, name, message] = /^(\w+): ([\s\S]*)$/.exec(failure) ?? [];
  return redacted(bareError(name ?? 'Error', message ?? failure));
}
