import { getEventListeners } from 'node:events';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, MemoryPersistence } from '../../src/index.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let issuers: CouponIssuer[];
let warnings: string[];

const remember = ({ name }: Error) => void warnings.push(name);
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  process.on('warning', remember);
});
afterAll(async () => {
  process.off('warning', remember);
  await server.stop();
});
beforeEach(async () => {
  warnings = [];
  const persistence = new MemoryPersistence();
  issuers = [new CouponIssuer({ redis, persistence }), new CouponIssuer({ redis, persistence })];
  await issuers[0]!.campaign('plain').open({ stock: { kind: 'unlimited' } });
  await issuers[0]!.campaign('queued').open({ stock: { kind: 'unlimited' }, admission: 'queued' });
});
afterEach(async () => void (await Promise.all(issuers.map((issuer) => issuer.close()))));

const listenersOf = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;
const users = Array.from({ length: 30 }, (_, i) => `user-${i}`);

test('one signal for all calls, streams and workers of a process has one listener, and none once all ended', async () => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const calls = issuers.flatMap((issuer) =>
    users.map((userId) => issuer.campaign('plain').issue({ userId: `${issuers.indexOf(issuer)} ${userId}`, signal })),
  );
  await issuers[0]!.campaign('queued').join({ userId: 'ann' });
  const watching = users.map(() => issuers[0]!.campaign('queued').watch({ userId: 'ann', signal }));
  const workers = users.map(() => issuers[1]!.startWorker({ signal, campaigns: ['plain'], intervalMs: 60_000 }));
  expect(listenersOf(signal)).toBe(1);
  expect((await Promise.all(calls)).map(({ status }) => status)).toEqual(calls.map(() => 'issued'));
  for (const one of watching) await one.return!();
  for (const worker of workers) await worker.stop();
  expect(listenersOf(signal)).toBe(0);
  stopping.abort();
  // Node tells its warnings on the next tick.
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toEqual([]);
});

test('one signal ends them all', async () => {
  const stopping = new AbortController();
  const { signal } = stopping;
  await issuers[0]!.campaign('queued').join({ userId: 'ann' });
  const watching = users.map(() => issuers[0]!.campaign('queued').watch({ userId: 'ann', signal }));
  const workers = users.map(() => issuers[1]!.startWorker({ signal, campaigns: ['plain'], intervalMs: 60_000 }));
  const calls = users.map((userId) => issuers[0]!.campaign('plain').issue({ userId, signal }));
  stopping.abort(new Error('the server stops'));
  for (const call of calls) await expect(call).rejects.toThrow('the server stops');
  for (const one of watching) for await (const _ of one);
  for (const worker of workers) expect(await worker.health()).toMatchObject({ running: false });
});
