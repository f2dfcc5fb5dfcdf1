import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import {
  type CouponEvent,
  CouponIssuer,
  type RedisClient,
  SERVER_SENT_EVENTS_HEADERS,
  serverSentEvents,
  type WaitingChange,
} from '../../src/index.js';
import { own } from '../support/checks/own.js';
import { LAG_MS, timersInARow } from '../support/checks/timers.js';
import { until } from '../support/checks/until.js';
import { ScriptedPersistence } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuer: CouponIssuer;
let events: CouponEvent[];
let campaigns = 0;
let campaignId: string;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  persistence = new ScriptedPersistence();
  events = [];
  campaignId = `watched-${++campaigns}`;
  issuer = new CouponIssuer({ redis, persistence, onEvent: (event) => events.push(event) });
});
afterEach(() => issuer.close());

const open = (total: number) =>
  issuer.campaign(campaignId).open({ stock: { kind: 'counted', total, generateCodes: true }, admission: 'queued' });
const join = (userId: string) => issuer.campaign(campaignId).join({ userId });
const users = (count: number) => Array.from({ length: count }, (_, i) => `user-${i + 1}`);
const channel = () => `{coupon:${campaignId}}:campaign`;
/** The final change; on the way there it may be `reserved` for a moment. */
async function finalOf(watching: AsyncIterable<WaitingChange>): Promise<WaitingChange | null> {
  let last: WaitingChange | null = null;
  for await (const change of watching) last = change;
  return last;
}
const listeners = async () => Number((await redis.pubsub('NUMSUB', channel()))[1]);

test('however many watch there is one subscription, and each is told their own coupon', async () => {
  const many = 2_000;
  await open(many);
  const names = users(many);
  await Promise.all(names.map(join));
  const seen = names.map((userId) => finalOf(issuer.campaign(campaignId).watch({ userId })));
  await until(async () => (await listeners()) === 1);
  const [, subscriptions] = /pubsub_clients:(\d+)|sub=1/.exec(await redis.info('clients')) ?? [];
  expect(Number(subscriptions ?? 1)).toBeLessThanOrEqual(1);
  await issuer.campaign(campaignId).admit({ count: many });
  const last = await Promise.all(seen);
  expect(last.map((change) => change?.status === 'issued' && change.issuance.userId)).toEqual(names);
  await until(async () => (await listeners()) === 0);
});

test('who does not fetch finds the newest change, and then the end', async () => {
  await open(10);
  await Promise.all(users(4).map(join));
  const slow = issuer.campaign(campaignId).watch({ userId: 'user-4' });
  const fast = issuer.campaign(campaignId).watch({ userId: 'user-4' });
  expect((await fast.next()).value).toMatchObject({ position: 4 });
  await issuer.campaign(campaignId).admit({ count: 2 });
  expect((await fast.next()).value).toMatchObject({ position: 2 });
  expect((await slow.next()).value).toMatchObject({ position: 2 });
  await issuer.campaign(campaignId).admit({ count: 2 });
  expect(await finalOf(fast)).toMatchObject({ status: 'issued' });
  expect((await slow.next()).value).toMatchObject({ status: 'issued' });
  expect(await slow.next()).toEqual({ done: true, value: undefined });
});

test('without a subscription it is looked again and again', async () => {
  const { evalsha, eval: run } = redis;
  const plain: RedisClient = { evalsha: evalsha.bind(redis) as never, eval: run.bind(redis) as never };
  const deaf = new CouponIssuer({ redis: plain, persistence });
  await open(10);
  await join('ann');
  const watching = deaf.campaign(campaignId).watch({ userId: 'ann' });
  expect((await watching.next()).value).toMatchObject({ status: 'waiting', position: 1 });
  await issuer.campaign(campaignId).admit({ count: 1 });
  expect(await finalOf(watching)).toMatchObject({ status: 'issued' });
  await deaf.close();
});

test('a subscription that is cut off comes back, and nothing is missed meanwhile', async () => {
  await open(10);
  await Promise.all(users(3).map(join));
  const watching = issuer.campaign(campaignId).watch({ userId: 'user-3' });
  await watching.next();
  await until(async () => (await listeners()) === 1);
  await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  await issuer.campaign(campaignId).admit({ count: 1 });
  expect((await watching.next()).value).toMatchObject({ status: 'waiting', position: 2 });
  await until(async () => (await listeners()) === 1);
  await issuer.campaign(campaignId).admit({ count: 2 });
  expect(await finalOf(watching)).toMatchObject({ status: 'issued' });
});

test('while Redis is away watching waits, a fault says so, and it goes on afterwards', async () => {
  const other = await own(RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']));
  const client = other.client({ maxRetriesPerRequest: 0, enableOfflineQueue: false });
  const isUp = async () => (await client.ping().catch(() => '')) === 'PONG';
  await until(isUp);
  const faults: string[] = [];
  const watched = new CouponIssuer({
    redis: client,
    persistence,
    onEvent: (event) => event.type === 'fault' && faults.push(event.during),
  });
  await watched.campaign(campaignId).open({ stock: { kind: 'counted', total: 5 }, admission: 'queued' });
  await watched.campaign(campaignId).join({ userId: 'ann' });
  const watching = watched.campaign(campaignId).watch({ userId: 'ann' });
  expect((await watching.next()).value).toMatchObject({ status: 'waiting' });
  await other.kill();
  const final = finalOf(watching);
  await until(async () => faults.includes('watch'));
  await other.restart();
  await until(isUp);
  await watched.campaign(campaignId).admit({ count: 1 });
  expect(await final).toMatchObject({ status: 'issued' });
  await watched.close();
});

test('many may be ended by one signal, with one listener on it', async () => {
  await open(50);
  const names = users(30);
  await Promise.all(names.map(join));
  const leaving = new AbortController();
  const added = vi.spyOn(leaving.signal, 'addEventListener');
  const watching = names.map((userId) => issuer.campaign(campaignId).watch({ userId, signal: leaving.signal }));
  const ended = watching.map(finalOf);
  await until(async () => (await listeners()) === 1);
  expect(added).toHaveBeenCalledTimes(1);
  leaving.abort();
  expect((await Promise.all(ended)).every((last) => last === null || last.status === 'waiting')).toBe(true);
  await until(async () => (await listeners()) === 0);
});

test('who begins to watch when all is over is told why there is no line', async () => {
  await open(1);
  await join('ann');
  await issuer.campaign(campaignId).admit({ count: 1 });
  await issuer.idle();
  expect(await finalOf(issuer.campaign(campaignId).watch({ userId: 'late' }))).toEqual({ status: 'sold_out' });
  await issuer.campaign(campaignId).closeForGood();
  expect(await finalOf(issuer.campaign(campaignId).watch({ userId: 'late' }))).toEqual({ status: 'closed' });
  expect(await finalOf(issuer.campaign(campaignId).watch({ userId: 'ann' }))).toMatchObject({ status: 'issued' });
});

test('Server-Sent Events: each change a message, then the end; watching ends when the client goes away', async () => {
  await open(10);
  await Promise.all(users(2).map(join));
  const http: Server = createServer((request, response) => {
    const userId = new URL(request.url!, 'http://localhost').searchParams.get('user')!;
    response.writeHead(200, SERVER_SENT_EVENTS_HEADERS);
    pipeline(serverSentEvents(issuer.campaign(campaignId).watch({ userId })), response, () => {});
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  await own({ stop: () => new Promise<void>((resolve) => http.close(() => resolve())) });
  const { port } = http.address() as AddressInfo;
  const stream = async (userId: string) =>
    new Promise<IncomingMessage>((resolve) => get(`http://127.0.0.1:${port}/?user=${userId}`, resolve));
  const [first, second] = await Promise.all([stream('user-1'), stream('user-2')]);
  expect(first.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  let text = '';
  first.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await until(async () => text.includes('"position":1'));
  second.destroy();
  await issuer.campaign(campaignId).admit({ count: 1 });
  await new Promise((resolve) => first.once('end', resolve));
  const messages = text.split('\n\n').filter((line) => line.startsWith('data: '));
  const changes = messages.map((line) => JSON.parse(line.slice(6)) as { status: string; issuance?: { code: string } });
  expect(changes.at(-1)).toMatchObject({ status: 'issued', issuance: { userId: 'user-1', code: expect.any(String) } });
  await until(async () => (await listeners()) === 0);
});

test('what is sent of a change can be chosen, and the stream still ends the watching', async () => {
  await open(10);
  await join('ann');
  const data = ({ status }: WaitingChange) => ({ status });
  const stream = serverSentEvents(issuer.campaign(campaignId).watch({ userId: 'ann' }), { data });
  let text = '';
  for await (const chunk of stream) {
    text += chunk;
    if (text.includes('data: ')) break;
  }
  expect(text).toBe(': watching\n\ndata: {"status":"waiting"}\n\n');
  await until(async () => (await listeners()) === 0);
  const refused = issuer.campaign(campaignId).watch({ userId: 'ann' });
  expect(() => serverSentEvents(refused, { keepAliveMs: 5 })).toThrow('keepAliveMs');
  expect(await refused.next()).toEqual({ done: true, value: undefined });
});

test('a Redis that hangs delays watching by no more than the hang', async () => {
  const other = await own(RedisServer.start());
  const client = other.client();
  const slow = new CouponIssuer({ redis: client, persistence, timeoutMs: 800, leaseMs: 1_000 });
  await slow.campaign(campaignId).open({ stock: { kind: 'counted', total: 5 }, admission: 'queued' });
  await slow.campaign(campaignId).join({ userId: 'ann' });
  const watching = slow.campaign(campaignId).watch({ userId: 'ann' });
  await watching.next();
  const second = other.client();
  await second.client('PAUSE', 1_000);
  const final = finalOf(watching);
  await until(async () => (await second.ping()) === 'PONG');
  const hangs = timersInARow(1_000, 1_000, 1_000);
  await slow.campaign(campaignId).admit({ count: 1 });
  expect(await final).toMatchObject({ status: 'issued' });
  expect(hangs.ranOut).toBe(false);
  hangs.stop();
  await slow.close();
});

test('a Redis that hangs ends the watching of nobody whose look waits in the queue for longer than its time', async () => {
  const other = await own(RedisServer.start());
  const client = other.client();
  const options = { timeoutMs: 300, leaseMs: 1_000, maxBatch: 1, maxInFlight: 1 };
  const slow = new CouponIssuer({ redis: client, persistence, ...options });
  await slow.campaign(campaignId).open({ stock: { kind: 'counted', total: 10 }, admission: 'queued' });
  const names = users(10);
  for (const userId of names) await slow.campaign(campaignId).join({ userId });
  const second = other.client();
  await second.client('PAUSE', 1_500);
  // Each in a tick of its own, so each with a look of its own: those behind the first two are not asked for any more when it is their turn.
  const ended: Promise<WaitingChange | null>[] = [];
  for (const userId of names) {
    ended.push(finalOf(slow.campaign(campaignId).watch({ userId })));
    await new Promise(setImmediate);
  }
  const all = Promise.all(ended);
  all.catch(() => {});
  expect(await second.ping()).toBe('PONG');
  await until(async () => {
    await slow
      .campaign(campaignId)
      .admit({ count: 10 })
      .catch(() => {});
    await slow
      .campaign(campaignId)
      .settle()
      .catch(() => {});
    return (await slow.campaign(campaignId).inspect()).issued === 10;
  });
  expect((await all).map((change) => change?.status)).toEqual(names.map(() => 'issued'));
  await slow.close();
});

test('leaving twice is told once', async () => {
  await open(10);
  await join('ann');
  for (let times = 0; times < 3; times++) {
    expect(await issuer.campaign(campaignId).leave({ userId: 'ann' })).toEqual({ status: 'left' });
  }
  expect(events.filter(({ type }) => type === 'places_ended')).toHaveLength(1);
});

test('a call that waits longer than its time in the queue ends, and takes no place', async () => {
  const other = await own(RedisServer.start());
  const client = other.client();
  const slow = new CouponIssuer({ redis: client, persistence, timeoutMs: 400, leaseMs: 1_000, maxBatch: 10 });
  await slow.campaign(campaignId).open({ stock: { kind: 'counted', total: 500 }, admission: 'queued' });
  await slow.campaign(campaignId).join({ userId: 'first' });
  await other.client().client('PAUSE', 3_000);
  // Its own time, and that of the batch before it.
  const times = timersInARow(400, 400, LAG_MS);
  const calls = users(200).map((userId) => slow.campaign(campaignId).join({ userId }));
  const codes = (await Promise.allSettled(calls)).map((one) => one.status === 'rejected' && one.reason.code);
  expect(times.ranOut).toBe(false);
  times.stop();
  expect(new Set(codes)).toEqual(new Set(['REDIS', 'OVERLOADED']));
  await slow.close();
});

test('a stream of events keeps the connection alive with comments', async () => {
  await open(10);
  await join('ann');
  const stream = serverSentEvents(issuer.campaign(campaignId).watch({ userId: 'ann' }), { keepAliveMs: 1_000 });
  const chunks: string[] = [];
  for await (const chunk of stream) {
    chunks.push(String(chunk));
    if (chunks.length === 3) break;
  }
  expect(chunks[0]).toBe(': watching\n\n');
  expect(chunks[1]).toMatch(/^data: \{"status":"waiting"/);
  expect(chunks[2]).toBe(': still here\n\n');
  await until(async () => (await listeners()) === 0);
});
