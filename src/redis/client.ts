/**
 * What is asked of the user's Redis client: two commands, and a third for one option. `Redis` and `Cluster` of ioredis 5 and 6 fit, and so does ioredis-mock.
 * It is borrowed: never closed, never configured, never extended with commands.
 */
export interface RedisClient {
  evalsha(sha1: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  eval(script: string, numberOfKeys: number, ...args: string[]): Promise<unknown>;
  /** Only for the option `replicas`. */
  wait?(count: number, timeoutMs: number): Promise<unknown>;
}
