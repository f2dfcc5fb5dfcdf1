import { createHash } from 'node:crypto';
import { cacheScripts as scripts } from './cache-scripts.js';
import { type CacheKeys, cacheKeys } from './keys.js';
import type { Reply, Script, ScriptRunner } from './runner.js';
import type { Rights } from './server-check.js';

/** The lease of an entry. The bytes that are counted for it already, and for how long: a value within both needs no count. */
export interface Lease {
  readonly token: string;
  readonly counted: { readonly leftMs: number; readonly bytes: number };
}

/** The answer to a look at an entry. `leftMs`: how long the value holds at most. `apart`: it could not be stored. */
export type CachedEntry =
  | { readonly word: 'found'; readonly text: string; readonly leftMs: number }
  | { readonly word: 'refresh'; readonly text: string; readonly leftMs: number; readonly lease: Lease }
  | { readonly word: 'load'; readonly lease: Lease }
  | { readonly word: 'loading' }
  | { readonly word: 'apart' }
  | { readonly word: 'failed'; readonly failure: string };

/** One server, as the caches on it share it. */
export interface CacheServer {
  readonly runner: ScriptRunner;
  readonly rights: Rights;
  /** Of a call that changes a value. */
  readonly timeoutMs: number;
}

interface StoredValue {
  readonly token: string;
  readonly value: string;
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly took: number;
  /** As `count` answered it; empty: it was not asked. */
  readonly counted: string;
}

/**
 * The entries of one cache in Redis. Each method is one round trip, and throws `RedisError`. The first on a connection
 * is one more, and throws `MisconfiguredError` if a right is missing.
 */
export class CachedEntries {
  /** The channel that tells of them. */
  readonly listeners: string;
  readonly #server: CacheServer;
  readonly #keysOf: (id: string) => CacheKeys;
  readonly #onUntold: () => void;
  /** Of each call on the way to a value: a load and all of them fit into the time of one call, also if none is answered. */
  readonly #patienceMs: number;

  /** `onUntold`: a message could not be sent. */
  constructor(server: CacheServer, named: { prefix: string; name: string }, onUntold: () => void) {
    this.#server = server;
    this.#patienceMs = Math.ceil(server.timeoutMs / 4);
    this.#keysOf = (id) => cacheKeys(named.prefix, named.name, id);
    this.listeners = this.#keysOf('').stored;
    this.#onUntold = onUntold;
  }

  /** The place of a key: its text is never sent. */
  idOf(key: string): string {
    return createHash('sha256').update(key).digest('base64url').slice(0, 22);
  }

  /** The id that a message is about, and whether its value was dropped; `null`: of another kind. */
  static read(message: string): { id: string; dropped: boolean } | null {
    const [, news, id] = /^(dropped|ended):\{.*:([\w-]{22})\}$/.exec(message) ?? [];
    return id ? { id, dropped: news === 'dropped' } : null;
  }

  /** Whether the user has the rights, before a call that notes when it is sent. */
  async ready(patienceMs = this.#patienceMs): Promise<void> {
    const { runner, rights } = this.#server;
    if (!runner.mayWrite) await rights.assert({ rights: `${this.listeners}:rights` }, patienceMs);
  }

  async find(
    id: string,
    { caller, leaseMs, early }: { caller: string; leaseMs: number; early: number },
  ): Promise<CachedEntry> {
    const args = { caller, leaseMs: String(leaseMs), early: early.toFixed(6) };
    const keys = this.#keysOf(id);
    const reply = await this.#server.runner.run(scripts.findCached, { keys, args }, this.#patienceMs);
    const [word, first, second, token, counted] = reply.map(String) as [
      CachedEntry['word'],
      ...[string, string, string, string],
    ];
    switch (word) {
      case 'found':
        return { word, text: first, leftMs: Number(second) };
      case 'refresh':
        return { word, text: first, leftMs: Number(second), lease: leaseOf(token, counted) };
      case 'load':
        return { word, lease: leaseOf(first, second) };
      case 'failed':
        return { word, failure: first };
      case 'loading':
      case 'apart':
        return { word };
    }
  }

  /** `false`: the lease was no longer there, and nothing was stored. */
  async store(id: string, { token, value, ttlMs, staleMs, took, counted }: StoredValue): Promise<boolean> {
    const numbers = { ttlMs: String(ttlMs), staleMs: String(staleMs), took: String(took) };
    const reply = await this.#run(scripts.storeCached, id, { token, value, ...numbers, counted });
    return reply[0] === 'stored';
  }

  /**
   * Ends a lease. For `failedMs` callers are told the error of a failed load, or load for themselves if it is empty. `false`:
   * the lease was no longer there.
   */
  async giveUp(id: string, token: string, failure: string, failedMs: number): Promise<boolean> {
    return (await this.#run(scripts.giveUpLoad, id, { token, failure, failedMs: String(failedMs) }))[0] === 'ended';
  }

  /** Drops the value. */
  async drop(id: string): Promise<void> {
    await this.#drop(id, '', 0);
  }

  /** Drops the value, and returns the lease for another one. */
  async replace(id: string, caller: string, leaseMs: number): Promise<Lease> {
    const reply = (await this.#drop(id, caller, leaseMs)).map(String);
    return leaseOf(reply[2] as string, reply[3] as string);
  }

  /** Counts bytes for `lifeMs`. Returns until when and how many, for `store`; `null`: they are more than the limit. */
  async count(bytes: number, limit: number, lifeMs: number): Promise<string | null> {
    const args = { bytes: String(bytes), limit: String(limit), lifeMs: String(lifeMs) };
    const call = { keys: this.#keysOf(''), args };
    const [word, goneAt] = await this.#server.runner.run(scripts.countBytes, call, this.#patienceMs);
    return word === 'counted' ? `${goneAt}:${bytes}` : null;
  }

  async #drop(id: string, caller: string, leaseMs: number): Promise<Reply> {
    const { timeoutMs } = this.#server;
    await this.ready(timeoutMs);
    return this.#run(scripts.dropCached, id, { caller, leaseMs: String(leaseMs) }, timeoutMs);
  }

  async #run<A extends string>(
    script: Script<'entry', A | 'listeners'>,
    id: string,
    args: Readonly<Record<A, string>>,
    patienceMs = this.#patienceMs,
  ): Promise<Reply> {
    const { runner } = this.#server;
    const all = { ...args, listeners: this.listeners } as Readonly<Record<A | 'listeners', string>>;
    const reply = await runner.run(script, { keys: this.#keysOf(id), args: all }, patienceMs);
    if (reply[1] === 'untold') this.#onUntold();
    return reply;
  }
}

function leaseOf(token: string, counted: string): Lease {
  const [leftMs, bytes] = counted.split(':').map(Number) as [number, number];
  return { token, counted: { leftMs, bytes } };
}
