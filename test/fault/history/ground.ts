import type { Redis } from 'ioredis';
import { KEEPS, removeData } from '../../support/redis-data.js';
import { RedisServer } from '../../support/redis-server.js';

const PROCESSES = 3;

/** The servers that all histories of a test file run on, one after the other. */
export class Ground {
  /** The test's own connection. */
  readonly redis: Redis;
  /** One connection for each process. */
  readonly clients: readonly Redis[];
  readonly #server: RedisServer;

  private constructor(server: RedisServer) {
    this.#server = server;
    const connect = () => server.client({ retryStrategy: () => 2 });
    this.redis = connect();
    this.clients = Array.from({ length: PROCESSES }, connect);
  }

  static async lay(): Promise<Ground> {
    return new Ground(await RedisServer.with({ args: KEEPS.written }));
  }

  /** Kills the server and starts it again, with what it had written or with nothing. */
  async restart(data: 'kept' | 'lost'): Promise<void> {
    const signal = await this.#server.kill();
    if (signal !== 'SIGKILL') throw new Error(`the server ended with ${signal}`);
    if (data === 'lost') removeData(this.#server.dir);
    await this.#server.restart();
    await Promise.all([this.redis, ...this.clients].map((client) => client.ping()));
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }
}
