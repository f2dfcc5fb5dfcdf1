import type { Redis } from 'ioredis';
import { KEEPS, removeData } from '../../support/servers/redis-data.js';
import { RedisServer } from '../../support/servers/redis-server.js';

const PROCESSES = 3;

export interface Tally {
  requests: number;
  /** How often each fault happened, by its name. */
  readonly injected: Record<string, number>;
}

/** The servers that all histories of a test file run on, one after the other. */
export class Ground {
  /** The test's own connection. */
  readonly redis: Redis;
  /** One connection for each process. */
  readonly clients: readonly Redis[];
  /** How much was asked and done in all histories so far. */
  readonly tally: Tally = { requests: 0, injected: {} };
  readonly #server: RedisServer;

  private constructor(server: RedisServer) {
    this.#server = server;
    const connect = () => server.client({ retryStrategy: () => 2 });
    this.redis = connect();
    this.clients = Array.from({ length: PROCESSES }, connect);
  }

  static async lay(): Promise<Ground> {
    return new Ground(await RedisServer.with({ args: KEEPS.dumped }));
  }

  /** Kills the server and starts it again, with all it had or with nothing. A dump, because a log would hold every history so far. */
  async restart(data: 'kept' | 'lost'): Promise<void> {
    if (data === 'kept') await this.redis.save();
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
