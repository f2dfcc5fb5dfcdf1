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
  /** The longest that one call of each script kept the server at work, ms. */
  readonly slowestMs = new Map<string, number>();
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
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
      const ms = workedMs(await after) - workedMs(await before);
      this.slowestMs.set(name, Math.max(this.slowestMs.get(name) ?? 0, ms));
    }
  }
}

function workedMs(info: string): number {
  const seconds = ['used_cpu_sys_main_thread', 'used_cpu_user_main_thread'].map((name) =>
    Number(new RegExp(`${name}:([0-9.]+)`).exec(info)?.[1]),
  );
  return 1_000 * (seconds[0]! + seconds[1]!);
}
