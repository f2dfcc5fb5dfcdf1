import { Redis } from 'ioredis';
import { Redis as Redis6 } from 'ioredis-v6';
import { onTestFinished } from 'vitest';
import type { RedisClient } from '../../../src/index.js';

/** Makes the client of a new process. */
export type Connect = () => RedisClient;

/** What the README recommends. */
export const CAREFUL = {
  maxRetriesPerRequest: 0,
  enableOfflineQueue: false,
  commandTimeout: 5_000,
  socketTimeout: 10_000,
  reconnectOnError: (error: Error) => error.message.includes('READONLY'),
};

interface Client {
  disconnect(): void;
  on(event: 'error', listener: () => void): unknown;
}

/** A client of this test's own, disconnected when the test is over. */
export function client<C extends Client>(made: C): C {
  made.on('error', () => {});
  onTestFinished(() => made.disconnect());
  return made;
}

/** Three processes that reach a server by clients of both versions, with their defaults and with careful options. */
export function clientsOf(port: number): Connect[] {
  return [
    () => client(new Redis(port, '127.0.0.1')),
    () => client(new Redis(port, '127.0.0.1', CAREFUL)),
    () => client(new Redis6(port, '127.0.0.1')),
  ];
}
