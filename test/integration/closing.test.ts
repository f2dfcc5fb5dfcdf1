import { createServer, get, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';
import express from 'express';
import fastify from 'fastify';
import type { Redis } from 'ioredis';
import Koa from 'koa';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, MemoryPersistence, SERVER_SENT_EVENTS_HEADERS, serverSentEvents } from '../../src/index.js';
import { until } from '../support/checks/until.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { isPending } from '../unit/support.js';

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
  campaignId = `closing-${++campaigns}`;
  issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence() });
  await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 5 }, admission: 'queued' });
  await issuer.campaign(campaignId).join({ userId: 'ann' });
});

const events = (signal?: AbortSignal) => serverSentEvents(issuer.campaign(campaignId).watch({ userId: 'ann', signal }));

interface Served {
  readonly port: number;
  /** Takes no new connections, and resolves once every response has ended. */
  close(): Promise<void>;
}

async function listening(http: Server): Promise<Served> {
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const close = () => new Promise<void>((resolve) => http.close(() => resolve()));
  return { port: (http.address() as AddressInfo).port, close };
}

const SERVERS: Record<string, (signal?: AbortSignal) => Promise<Served>> = {
  express: (signal) => {
    const app = express();
    app.get('/', (_, response) => {
      response.set(SERVER_SENT_EVENTS_HEADERS);
      pipeline(events(signal), response, () => {});
    });
    return listening(createServer(app));
  },
  koa: (signal) => {
    const app = new Koa();
    app.use((ctx) => {
      ctx.set(SERVER_SENT_EVENTS_HEADERS);
      ctx.body = events(signal);
    });
    return listening(createServer(app.callback()));
  },
  fastify: async (signal) => {
    const app = fastify({ forceCloseConnections: false });
    app.get('/', (_, reply) => reply.headers(SERVER_SENT_EVENTS_HEADERS).send(events(signal)));
    await app.listen({ port: 0, host: '127.0.0.1' });
    return { port: (app.server.address() as AddressInfo).port, close: async () => void (await app.close()) };
  },
};

/** A browser that watches, with its text so far. */
async function browser({ port }: Served): Promise<{ text: () => string; ended: Promise<void> }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent: false }, resolve).on('error', reject);
  });
  let text = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const ended = new Promise<void>((resolve) => response.once('close', () => resolve()));
  await until(() => text.includes('"position":1'));
  return { text: () => text, ended };
}

test.each(Object.keys(SERVERS))('%s waits for open streams, so the issuer closes first', async (name) => {
  const served = await SERVERS[name]!();
  const page = await browser(served);
  const closed = served.close();
  expect(await isPending(closed)).toBe(true);
  await issuer.close();
  await closed;
  await page.ended;
  expect(page.text()).toMatch(/^: watching\n\n(data: .*\n\n)+$/);
});

test.each(Object.keys(SERVERS))(
  '%s ends its streams by a signal, and finishes the calls before the issuer closes',
  async (name) => {
    const leaving = new AbortController();
    const served = await SERVERS[name]!(leaving.signal);
    const page = await browser(served);
    const closed = served.close();
    leaving.abort();
    await closed;
    await page.ended;
    expect(await issuer.campaign(campaignId).userStatus({ userId: 'ann' })).toMatchObject({ status: 'waiting' });
    await issuer.close();
  },
);

test('a stream ends when the issuer closes', async () => {
  const stream = events();
  const ended = new Promise<void>((resolve) => stream.resume().once('end', resolve));
  await issuer.close();
  expect(await isPending(ended)).toBe(false);
});

test('a preClose hook of fastify ends the streams; an onClose hook comes too late for them', async () => {
  const app = fastify();
  const order: string[] = [];
  app.get('/', (_, reply) => reply.headers(SERVER_SENT_EVENTS_HEADERS).send(events()));
  app.addHook('preClose', async () => {
    order.push('preClose');
    await issuer.close();
  });
  app.addHook('onClose', async () => void order.push('onClose'));
  await app.listen({ port: 0, host: '127.0.0.1' });
  const page = await browser({ port: (app.server.address() as AddressInfo).port, close: async () => {} });
  await app.close();
  await page.ended;
  expect(order).toEqual(['preClose', 'onClose']);
});
