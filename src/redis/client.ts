import type { SubscriberClient } from './subscription.js';

/**
 * What is asked of the user's Redis client: two commands, and two more for what is optional. `Redis` and `Cluster` of ioredis 5 and 6 fit, and so does ioredis-mock.
 * It is borrowed: never closed, never configured, never extended with commands.
 */
export interface RedisClient {
  evalsha(sha1: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  eval(script: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  /** Only for the option `replicas`. */
  wait?(count: number, timeoutMs: number): Promise<unknown>;
  /** Only for the waiting room: a second connection that listens, opened with the first watcher or worker and closed with the last. */
  // biome-ignore lint/suspicious/noExplicitAny: Redis and Cluster take different arguments
  duplicate?(...options: any[]): SubscriberClient;
}
