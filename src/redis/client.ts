/**
 * The port: the parts of a Redis client that the library needs. Two commands are needed, and two more for optional
 * features. `Redis` and `Cluster` of ioredis 5 and 6 fit, and so does ioredis-mock. The client is borrowed: never
 * closed, never configured, never extended with commands.
 */
export interface RedisClient {
  evalsha(sha1: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  eval(script: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  /** Only for the option `replicas`. */
  wait?(count: number, timeoutMs: number): Promise<unknown>;
  /**
   * Only for the waiting room: a second connection that listens, opened with the first watcher or worker and closed
   * with the last.
   */
  duplicate?(...options: unknown[]): SubscriberClient;
}

/** A connection of its own that listens: the result of `duplicate()` of the client. */
export interface SubscriberClient {
  readonly status?: string | undefined;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  subscribe(...channels: string[]): Promise<unknown>;
  unsubscribe(...channels: string[]): Promise<unknown>;
  disconnect(): void;
}
