import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  CouponIssuer,
  MemoryPersistence,
  SERVER_SENT_EVENTS_HEADERS,
  type ServerSentEventsOptions,
  serverSentEvents,
} from '../../src/index.js';
import { until } from '../support/checks/until.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let issuer: CouponIssuer;
let campaigns = 0;
let campaignId: string;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  campaignId = `streamed-${++campaigns}`;
  issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence() });
  const stock = { kind: 'counted', total: 5, generateCodes: true } as const;
  await issuer.campaign(campaignId).open({ stock, admission: 'queued' });
});
afterEach(() => issuer.close());

const watchers = async () => Number((await redis.pubsub('NUMSUB', `{coupon:${campaignId}}:campaign`))[1]);
const userId = '꿈을 꾸는 사람';
const streamOf = (options: ServerSentEventsOptions = {}) =>
  serverSentEvents(issuer.campaign(campaignId).watch({ userId }), options);
const headers = SERVER_SENT_EVENTS_HEADERS;

/** How handlers that answer with a web `Response` give the stream to it. */
const RESPONSES: [name: string, respond: (options?: ServerSentEventsOptions) => Response][] = [
  ['as a web stream', (options) => new Response(Readable.toWeb(streamOf(options)) as ReadableStream, { headers })],
  ['as it is', (options) => new Response(streamOf(options), { headers })],
];

test.each(RESPONSES)('a web Response sends the events, given %s', async (_, respond) => {
  await issuer.campaign(campaignId).join({ userId });
  const response = respond();
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const text = response.text();
  await until(async () => (await watchers()) === 1);
  await issuer.campaign(campaignId).admit({ count: 1 });
  const messages = (await text).split('\n\n').filter((line) => line.startsWith('data: '));
  const last = JSON.parse(messages.at(-1)!.slice(6)) as unknown;
  expect(last).toMatchObject({ status: 'issued', issuance: { userId } });
});

test.each(RESPONSES)('when a web Response is cancelled the watching ends, given %s', async (_, respond) => {
  await issuer.campaign(campaignId).join({ userId });
  const reader = respond().body!.getReader();
  expect((await reader.read()).value).toBeInstanceOf(Uint8Array);
  await until(async () => (await watchers()) === 1);
  await reader.cancel();
  await until(async () => (await watchers()) === 0);
});

/** Nobody waits for a change here: what ends it is told at once. */
function watching() {
  const state = { ended: false };
  const changes = {
    next: () => new Promise<never>(() => {}),
    return: async () => {
      state.ended = true;
      return { done: true as const, value: undefined };
    },
    [Symbol.asyncIterator]: () => changes,
  };
  return { state, stream: serverSentEvents(changes) };
}

test('a web Response that is cancelled before anything is read ends the watching', async () => {
  for (const wrap of [(stream: Readable) => Readable.toWeb(stream) as ReadableStream<Uint8Array>, (s: Readable) => s]) {
    const { state, stream } = watching();
    await new Response(wrap(stream), { headers }).body!.cancel();
    expect(state.ended).toBe(true);
  }
});

test('a web Response that is cloned ends the watching once both copies are cancelled', async () => {
  const { state, stream } = watching();
  const response = new Response(stream, { headers });
  const copy = response.clone();
  const first = response.body!.cancel();
  expect(state.ended).toBe(false);
  await Promise.all([first, copy.body!.cancel()]);
  expect(state.ended).toBe(true);
});

test.each(RESPONSES)(
  'a web Response that is cancelled while it waits for a change ends the watching, given %s',
  async (_, respond) => {
    await issuer.campaign(campaignId).join({ userId });
    // As it is, the stream ends with the next comment.
    const reader = respond({ keepAliveMs: 1_000 }).body!.getReader();
    while (!String(Buffer.from((await reader.read()).value!)).startsWith('data: '));
    const untilTheEnd = (async () => {
      while (!(await reader.read()).done);
    })();
    await until(async () => (await watchers()) === 1);
    await reader.cancel();
    await untilTheEnd;
    await until(async () => (await watchers()) === 0);
  },
);

test.each(RESPONSES)('the events of a web Response can be compressed, given %s', async (_, respond) => {
  const packed = respond().body!.pipeThrough(new CompressionStream('gzip'));
  const text = await new Response(packed.pipeThrough(new DecompressionStream('gzip'))).text();
  expect(text).toBe(': watching\n\ndata: {"status":"none"}\n\n');
});

test.each(RESPONSES)('a web Response whose watching fails is cut off, given %s', async (_, respond) => {
  campaignId = 'nobody-opened-this';
  await expect(respond().text()).rejects.toThrow();
});

test('the stream is bytes, each event in one piece', async () => {
  await issuer.campaign(campaignId).join({ userId });
  const chunks: unknown[] = [];
  for await (const chunk of streamOf()) {
    chunks.push(chunk);
    if (chunks.length === 2) break;
  }
  expect(chunks.map((chunk) => chunk instanceof Uint8Array)).toEqual([true, true]);
  expect(String(chunks[1])).toMatch(/^data: \{"status":"waiting".*\}\n\n$/);
});

test('a change for which data returns nothing ends the stream with an error that has a code', async () => {
  const stream = serverSentEvents(issuer.campaign(campaignId).watch({ userId }), { data: () => undefined });
  const read: string[] = [];
  const reading = (async () => {
    for await (const chunk of stream) read.push(String(chunk));
  })();
  await expect(reading).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', argument: 'data' });
  expect(read).toEqual([': watching\n\n']);
});

test('a reader that wants text sets the encoding', async () => {
  const stream = streamOf().setEncoding('utf8');
  let text = '';
  for await (const chunk of stream) text += chunk as string;
  expect(text).toBe(': watching\n\ndata: {"status":"none"}\n\n');
});
