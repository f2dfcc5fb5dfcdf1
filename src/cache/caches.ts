import { invalid } from '../model/errors.js';
import type { Emit } from '../model/events.js';
import { CachedEntries, type CacheServer } from '../redis/cached.js';
import type { RedisClient } from '../redis/client.js';
import { ScriptRunner } from '../redis/runner.js';
import { Rights } from '../redis/server-check.js';
import { Subscription } from '../redis/subscription.js';
import { Cache, type CacheCalls } from './cache.js';
import { CacheFaults } from './faults.js';
import { LocalValues } from './local.js';
import { EntryNews } from './news.js';
import { type CacheOptions, checkedCache } from './options.js';
import { Reader, type ReaderParts } from './reader.js';

export interface CachesParts extends CacheCalls {
  readonly redis: RedisClient;
  /** That of the campaigns, with the random name of this issuer. */
  readonly context: CacheServer & { readonly prefix: string; readonly sender: string };
  readonly track: <T>(work: Promise<T>) => Promise<T>;
  readonly emit: Emit;
}

/** The caches of one issuer. Those on one server share a connection that listens. */
export class Caches {
  readonly #parts: CachesParts;
  readonly #names = new Set<string>();
  readonly #servers = new Map<RedisClient, { server: CacheServer; subscription: Subscription }>();
  readonly #closing: (() => void)[] = [];
  #calls = 0;

  constructor(parts: CachesParts) {
    this.#parts = parts;
  }

  /** Throws `InvalidArgumentError`. */
  make<V>(options: CacheOptions<V>): Cache<V> {
    const { context, call, assertNotClosed, assertNotClosing, track, emit, redis } = this.#parts;
    const { prefix, sender, timeoutMs } = context;
    const checked = checkedCache(options, timeoutMs, options.redis !== undefined && options.redis !== redis);
    const { name } = checked;
    if (this.#names.has(name))
      throw invalid('name', 'is that of another cache of this issuer: make a cache once, and keep it');
    this.#names.add(name);
    const faults = new CacheFaults(emit);
    const { server, subscription } = this.#serverOf(options.redis ?? redis, faults);
    const untold = () =>
      faults.tell('messages', new Error(`cache ${name}: this Redis user may not PUBLISH; others see changes later`));
    const entries = new CachedEntries(server, { prefix, name }, untold);
    const news = new EntryNews(subscription, entries.listeners, {
      onNews: (id) => reader.heard(id),
      onDropped: (id) => reader.dropped(id),
      onGap: () => reader.droppedAll(),
    });
    const parts: ReaderParts<V> = {
      options: checked,
      entries,
      news,
      local: checked.local ? new LocalValues<V>(checked.local) : null,
      faults,
      timeoutMs,
      track: (work) => void track(work),
      nextCaller: () => `${sender}.${++this.#calls}`,
    };
    const reader = new Reader(parts);
    this.#closing.push(() => news.close());
    return new Cache(parts, reader, { call, assertNotClosed, assertNotClosing });
  }

  close(): void {
    for (const close of this.#closing) close();
  }

  #serverOf(redis: RedisClient, faults: CacheFaults): { server: CacheServer; subscription: Subscription } {
    const known = this.#servers.get(redis);
    if (known) return known;
    const { context, redis: ofCampaigns } = this.#parts;
    const runner = redis === ofCampaigns ? context.runner : new ScriptRunner(redis);
    const rights = redis === ofCampaigns ? context.rights : new Rights(runner);
    const made = {
      server: { runner, rights, timeoutMs: context.timeoutMs },
      subscription: new Subscription(redis, (error) => faults.tell('messages', error)),
    };
    this.#servers.set(redis, made);
    return made;
  }
}
