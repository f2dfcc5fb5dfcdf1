import type { Redis } from 'ioredis';
import type { RedisClient } from '../../../src/index.js';

/** The real client, and how often anything was sent through it. */
export class CountingClient implements RedisClient {
  sent = 0;
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  evalsha(sha1: string, numberOfKeys: number, ...args: string[]): Promise<unknown> {
    this.sent++;
    return this.#redis.evalsha(sha1, numberOfKeys, ...args);
  }

  eval(source: string, numberOfKeys: number, ...args: string[]): Promise<unknown> {
    this.sent++;
    return this.#redis.eval(source, numberOfKeys, ...args);
  }
}
