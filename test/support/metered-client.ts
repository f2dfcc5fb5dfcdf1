import type { Redis } from 'ioredis';
import type { RedisClient } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';

const NAMES = new Map(Object.values(scripts).map(({ sha1, name }) => [sha1, name]));
const SOURCES = new Map(Object.values(scripts).map(({ source, name }) => [source, name]));

/**
 * A client that asks the server, right before and right after each script, how long its main thread has worked. Unlike the time in SLOWLOG, that does
 * not count how long the server had to wait for a processor.
 */
export class MeteredClient implements RedisClient {
  readonly #workedMs = new Map<string, number[]>();
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** How long calls of each script kept the server at work, ms, the slowest script first. */
  slowest(): { readonly script: string; readonly ms: number; readonly msButRarely: number }[] {
    return [...this.#workedMs]
      .map(([script, worked]) => {
        const falling = worked.toSorted((a, b) => b - a);
        // A table of the server that doubles, or another process on its processor: one call in a hundred may pay for it.
        return { script, ms: falling[0]!, msButRarely: falling[Math.floor(worked.length / 100)]! };
      })
      .sort((a, b) => b.ms - a.ms);
  }

  evalsha(sha1: string, numberOfKeys: number, ...args: string[]): Promise<unknown> {
    return this.#metered(NAMES.get(sha1)!, () => this.#redis.evalsha(sha1, numberOfKeys, ...args));
  }

  eval(source: string, numberOfKeys: number, ...args: string[]): Promise<unknown> {
    return this.#metered(SOURCES.get(source)!, () => this.#redis.eval(source, numberOfKeys, ...args));
  }

  /** The three commands leave together, so that none of another call comes between. */
  async #metered(name: string, call: () => Promise<unknown>): Promise<unknown> {
    const before = this.#redis.info('cpu');
    const reply = call();
    const after = this.#redis.info('cpu');
    try {
      return await reply;
    } finally {
      const worked = this.#workedMs.get(name) ?? [];
      worked.push(workedMs(await after) - workedMs(await before));
      this.#workedMs.set(name, worked);
    }
  }
}

function workedMs(info: string): number {
  const seconds = ['used_cpu_sys_main_thread', 'used_cpu_user_main_thread'].map((name) =>
    Number(new RegExp(`${name}:([0-9.]+)`).exec(info)?.[1]),
  );
  return 1_000 * (seconds[0]! + seconds[1]!);
}
