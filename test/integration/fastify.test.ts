import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { connect } from 'node:http2';
import Fastify, { type FastifyInstance } from 'fastify';
import Redis from 'ioredis-mock';
import { afterEach, expect, test } from 'vitest';
import {
  couponErrorHandler,
  couponIssuer,
  type FastifyCouponIssuerOptions,
  sendAnswer,
} from '../../src/fastify/index.js';
import {
  CouponIssuer,
  MemoryPersistence,
  MisconfiguredError,
  SERVER_SENT_EVENTS_HEADERS,
  serverSentEvents,
  shownChange,
  type WorkerOptions,
} from '../../src/index.js';
import { nodeHandler } from '../../src/web/index.js';

const mocks: { disconnect(): void }[] = [];
afterEach(() => {
  for (const mock of mocks.splice(0)) mock.disconnect();
});
const optionsOf = () => {
  const redis = new Redis();
  mocks.push(redis);
  return { redis, persistence: new MemoryPersistence(), prefix: randomUUID() };
};
const TEN = { stock: { kind: 'counted', total: 10 } } as const;

function shop(options: FastifyCouponIssuerOptions): FastifyInstance {
  const app = Fastify();
  app.setErrorHandler(couponErrorHandler);
  app.register(couponIssuer, options);
  app.post<{ Params: { userId: string } }>('/issue/:userId', async ({ params }, reply) =>
    sendAnswer(reply, await app.coupons.campaign('launch').issue(params)),
  );
  app.get('/broken', async () => {
    throw new Error('the shop is closed on Sundays');
  });
  app.get<{ Params: { userId: string } }>('/events/:userId', async ({ params }, reply) =>
    reply
      .headers(SERVER_SENT_EVENTS_HEADERS)
      .send(serverSentEvents(app.coupons.campaign('launch').watch(params), { data: shownChange })),
  );
  return app;
}

test('under Fastify, ten of twelve buyers get a coupon, and two the problem details of sold_out', async () => {
  const app = shop({ issuer: optionsOf(), worker: false });
  await app.ready();
  await app.coupons.campaign('launch').open(TEN);
  const buyers = Array.from({ length: 12 }, (_, i) => app.inject({ method: 'POST', url: `/issue/u${i}` }));
  const answers = await Promise.all(buyers);
  const issued = answers.filter(({ statusCode }) => statusCode === 201);
  expect(issued).toHaveLength(10);
  const coupon = { serial: 1, grant: 1, code: null, state: 'issued', issuedAt: expect.any(String) };
  expect(issued[0]!.json()).toStrictEqual({ status: 'issued', coupon });
  const refused = answers.filter(({ statusCode }) => statusCode === 409);
  expect(refused).toHaveLength(2);
  expect(refused[0]!.headers).toMatchObject({ 'cache-control': 'no-store' });
  expect(refused[0]!.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(refused[0]!.json()).toMatchObject({ type: '/problems/sold_out', status: 409 });
  await app.close();
});

test('the error handler answers the errors of the library, and leaves each other one to Fastify', async () => {
  const app = shop({ issuer: optionsOf(), worker: false });
  const unknown = await app.inject({ method: 'POST', url: '/issue/ann' });
  expect(unknown.statusCode).toBe(404);
  expect(unknown.json()).toMatchObject({ type: '/problems/unknown_campaign' });
  const broken = await app.inject('/broken');
  expect(broken.statusCode).toBe(500);
  expect(broken.json()).toMatchObject({ message: 'the shop is closed on Sundays' });
  await app.coupons.close();
  const closed = await app.inject({ method: 'POST', url: '/issue/ann' });
  expect([closed.statusCode, closed.headers['retry-after']]).toEqual([503, '1']);
  await app.close();
});

test('an event stream that is open does not keep Fastify from closing, and clients close last', async () => {
  const order: string[] = [];
  const issuer = new CouponIssuer(optionsOf());
  const app = shop({ issuer, worker: true });
  app.addHook('onClose', async () => {
    await expect(issuer.check()).rejects.toMatchObject({ code: 'CLOSED' });
    order.push('clients');
  });
  let response: IncomingMessage | null = null;
  app.after(() => {
    app.addHook('preClose', async () => {
      const state = await issuer.check().then(
        () => 'serving',
        ({ code }: { code: string }) => code,
      );
      order.push(state);
      // Otherwise the server would wait for it for ever.
      if (state === 'serving') response?.destroy();
    });
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const opensAt = new Date(Date.now() + 3_600_000);
  await issuer.campaign('launch').open({ ...TEN, admission: 'queued', drawAtOpen: true, opensAt });
  expect((await issuer.campaign('launch').join({ userId: 'ann' })).status).toBe('waiting');
  const { port } = app.addresses()[0]!;
  const [events] = (await once(get(`http://127.0.0.1:${port}/events/ann`), 'response')) as [IncomingMessage];
  response = events;
  let text = '';
  await new Promise<void>((resolve) => {
    events.on('data', (data: Buffer) => {
      text += data;
      if (text.includes('"waiting"')) resolve();
    });
  });
  const ended = once(events, 'close');
  await app.close();
  await ended;
  expect(order).toEqual(['CLOSED', 'clients']);
  expect(events.complete).toBe(true);
});

test('under Fastify, a worker runs where the process says so, and not before the application is ready', async () => {
  const started: WorkerOptions[] = [];
  const issuer = new CouponIssuer(optionsOf());
  const start = issuer.startWorker.bind(issuer);
  issuer.startWorker = (options = {}) => {
    started.push(options);
    return start(options);
  };
  const idle = shop({ issuer: new CouponIssuer(optionsOf()), worker: false });
  await idle.ready();
  await idle.close();
  const app = Fastify();
  await app.register(couponIssuer, { issuer, worker: { intervalMs: 500 } });
  expect(started).toEqual([]);
  await app.ready();
  expect(started).toEqual([{ intervalMs: 500 }]);
  await app.close();
});

test('a second issuer has a decorator of its own, and options outside of their range reject the start', async () => {
  const app = Fastify();
  app.register(couponIssuer, { issuer: optionsOf(), worker: false });
  app.register(couponIssuer, { issuer: optionsOf(), worker: false, decorator: 'europe' });
  await app.ready();
  const europe = app.getDecorator<CouponIssuer>('europe');
  expect(europe).toBeInstanceOf(CouponIssuer);
  expect(europe).not.toBe(app.coupons);
  await app.close();
  const wrong = Fastify();
  // Before the application is ready.
  const registered = wrong.register(couponIssuer, { issuer: optionsOf(), worker: { intervalMs: 0 } });
  const outcome = await Promise.resolve(registered).then(
    () => 'registered',
    ({ argument }: { argument: string }) => argument,
  );
  expect(outcome).toBe('intervalMs');
});

test('under Fastify, a plugin with a prefix has the issuer and an error handler of its own', async () => {
  const app = Fastify();
  app.setErrorHandler((error, _request, reply) => reply.code(500).send({ left: (error as Error).message }));
  app.register(couponIssuer, { issuer: optionsOf(), worker: false });
  app.register(
    async (inner) => {
      inner.setErrorHandler(couponErrorHandler);
      inner.post('/issue', async (_request, reply) =>
        sendAnswer(reply, await inner.coupons.campaign('launch').issue({ userId: 'ann' })),
      );
      inner.get('/broken', async () => {
        throw new Error('out of order');
      });
    },
    { prefix: '/coupons' },
  );
  const unknown = await app.inject({ method: 'POST', url: '/coupons/issue' });
  expect([unknown.statusCode, unknown.json().type]).toEqual([404, '/problems/unknown_campaign']);
  expect((await app.inject('/coupons/broken')).json()).toEqual({ left: 'out of order' });
  await app.close();
});

test('no code, no data and no message of a refusal reaches the log of Fastify', async () => {
  const lines: string[] = [];
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => void lines.push(line) } } });
  app.setErrorHandler(couponErrorHandler);
  app.register(couponIssuer, { issuer: optionsOf(), worker: false });
  app.post<{ Params: { id: string } }>('/issue/:id', async ({ params }, reply) =>
    sendAnswer(reply, await app.coupons.campaign(params.id).issue({ userId: 'ann', data: { note: 'S3CR3T' } })),
  );
  app.get('/misconfigured', async () => {
    throw new MisconfiguredError('the table is missing');
  });
  await app.ready();
  await app.coupons.campaign('launch').open({ stock: { kind: 'counted', total: 1, generateCodes: true } });
  const { coupon } = (await app.inject({ method: 'POST', url: '/issue/launch' })).json();
  expect((await app.inject({ method: 'POST', url: '/issue/unknown' })).statusCode).toBe(404);
  expect((await app.inject('/misconfigured')).statusCode).toBe(500);
  const log = lines.join('');
  expect(log).not.toMatch(new RegExp(`S3CR3T|${coupon.code}`));
  expect(log.match(/"type":"\w+Error"/g)).toEqual(['"type":"MisconfiguredError"']);
  await app.close();
});

/** Holds each save until it is released. */
class HeldPersistence extends MemoryPersistence {
  readonly #held: Promise<void>;

  constructor(held: Promise<void>) {
    super();
    this.#held = held;
  }

  override async save(...args: Parameters<MemoryPersistence['save']>): ReturnType<MemoryPersistence['save']> {
    await this.#held;
    return super.save(...args);
  }
}

test('fifty calls that are in flight when Fastify closes are answered, and their rows are there', async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const persistence = new HeldPersistence(held);
  const app = Fastify();
  let late = 0;
  let url = '';
  // Before that of the plugin, so that the calls are held until the closing has begun.
  app.addHook('preClose', async () => {
    late = (await fetch(`${url}/issue/late`, { method: 'POST' })).status;
    release();
  });
  app.register(couponIssuer, { issuer: { ...optionsOf(), persistence }, worker: false });
  let asked = 0;
  let allAsked = () => {};
  const inFlight = new Promise<void>((resolve) => {
    allAsked = resolve;
  });
  app.post<{ Params: { userId: string } }>('/issue/:userId', async ({ params }, reply) => {
    const result = app.coupons.campaign('launch').issue(params);
    if (++asked === 50) allAsked();
    return sendAnswer(reply, await result);
  });
  url = await app.listen({ port: 0, host: '127.0.0.1' });
  await app.coupons.campaign('launch').open({ stock: { kind: 'counted', total: 100 } });
  const calls = Array.from({ length: 50 }, (_, i) => fetch(`${url}/issue/u${i}`, { method: 'POST' }));
  await inFlight;
  const closed = app.close();
  const answers = await Promise.all(calls);
  expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(201));
  await closed;
  expect(await persistence.list('launch', { afterSerial: 0, limit: 100 })).toHaveLength(50);
  expect([late, asked]).toEqual([503, 50]);
});

test('a connection that is kept alive ends with its last answer, once Fastify closes', async () => {
  const app = Fastify();
  app.register(couponIssuer, { issuer: optionsOf(), worker: false });
  app.get('/slow', async () => {
    void app.close();
    // The plugin has closed the issuer, and Fastify has closed the connections that were idle.
    while (app.server.listening) await new Promise((resolve) => setTimeout(resolve, 1));
    return 'late';
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = async () => {
    const [response] = (await once(get(`${url}/slow`, { agent }), 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'end');
    return response.statusCode;
  };
  expect(await ask()).toBe(200);
  expect(
    await ask().then(
      (status) => `answered with ${status}`,
      () => 'no connection',
    ),
  ).toBe('no connection');
  await app.close();
  agent.destroy();
});

test('a call that comes while Fastify closes has a Retry-After, if it may come to its handler', async () => {
  const app = Fastify({ return503OnClosing: false });
  app.setErrorHandler(couponErrorHandler);
  await app.register(couponIssuer, { issuer: optionsOf(), worker: false });
  app.post('/issue', async (_request, reply) =>
    sendAnswer(reply, await app.coupons.campaign('launch').issue({ userId: 'ann' })),
  );
  let late: Response | undefined;
  // After that of the plugin.
  app.addHook('preClose', async () => {
    late = await fetch(`${url}/issue`, { method: 'POST' });
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  await app.close();
  expect([late?.status, late?.headers.get('retry-after')]).toEqual([503, '1']);
  expect(await late?.json()).toMatchObject({ type: '/problems/shutting_down' });
});

test('the event stream of a campaign without a waiting room begins, and breaks off', async () => {
  const app = shop({ issuer: optionsOf(), worker: false });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  await app.coupons.campaign('launch').open(TEN);
  const { status, body } = await fetch(`${url}/events/ann`);
  expect(status).toBe(200);
  const read = (async () => {
    for await (const _ of body!);
  })();
  await expect(read).rejects.toThrow('terminated');
  await app.close();
});

test('a hook of Fastify lets no form and no POST without a type through', async () => {
  const app = Fastify();
  app.addHook('onRequest', async ({ method, headers }, reply) => {
    const isJson = /^application\/json *(;|$)/i.test(headers['content-type'] ?? '');
    if (method === 'POST' && !isJson) return reply.code(415).send();
  });
  app.post('/issue', async () => 'issued');
  const statusOf = async (type?: string) => {
    const headers = type === undefined ? {} : { 'content-type': type };
    return (await app.inject({ method: 'POST', url: '/issue', headers, payload: '{}' })).statusCode;
  };
  expect(await Promise.all(['application/json', 'application/json; charset=utf-8'].map(statusOf))).toEqual([200, 200]);
  const others = ['text/plain', 'text/plain; application/json', 'application/jsonp', ''];
  expect(await Promise.all(others.map(statusOf))).toEqual([415, 415, 415, 415]);
  expect((await app.inject({ method: 'POST', url: '/issue' })).statusCode).toBe(415);
});

test('over HTTP/2 Fastify answers too', async () => {
  const app = Fastify({ http2: true });
  app.setErrorHandler(couponErrorHandler);
  app.register(couponIssuer, { issuer: optionsOf(), worker: false });
  app.get('/issue', async (_request, reply) =>
    sendAnswer(reply, await app.coupons.campaign('launch').issue({ userId: 'ann' })),
  );
  const session = connect(await app.listen({ port: 0, host: '127.0.0.1' }));
  const [headers] = await once(session.request({ ':path': '/issue' }).resume(), 'response');
  expect(headers).toMatchObject({ ':status': 404, 'content-type': expect.stringContaining('problem+json') });
  session.close();
  await app.close();
});

test('Fastify hands a stream of events to the handler of /web, which answers a problem before it and 204 after its end', async () => {
  const app = Fastify();
  app.register(couponIssuer, { issuer: optionsOf(), worker: false });
  await app.ready();
  const coupons = nodeHandler<IncomingMessage & { userId?: string }>(app.coupons, {
    ...{ campaigns: ['launch', 'line'], basePath: '/coupons' },
    user: ({ userId }) => userId ?? null,
  });
  const routed = Fastify();
  routed.get('/coupons/:id/events', (request, reply) => {
    reply.hijack();
    return coupons(Object.assign(request.raw, { userId: 'ann' }), reply.raw);
  });
  await app.coupons.campaign('launch').open(TEN);
  const opensAt = new Date(Date.now() + 3_600_000);
  const line = app.coupons.campaign('line');
  await line.open({ ...TEN, admission: 'queued', drawAtOpen: true, opensAt });
  await line.join({ userId: 'ann' });
  const url = `${await routed.listen({ port: 0, host: '127.0.0.1' })}/coupons`;
  const problem = await fetch(`${url}/launch/events`);
  expect([problem.status, problem.headers.get('content-type')]).toEqual([409, 'application/problem+json']);
  await problem.body?.cancel();
  expect((await fetch(`${url}/line/events`, { headers: { 'last-event-id': 'final' } })).status).toBe(204);
  const stream = await fetch(`${url}/line/events`);
  expect([stream.status, stream.headers.get('x-accel-buffering')]).toEqual([200, 'no']);
  let text = '';
  const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
  while (!text.includes('"waiting"')) text += (await reader.read()).value;
  // It ends the open stream.
  await app.close();
  while (!(await reader.read()).done);
  await routed.close();
});
