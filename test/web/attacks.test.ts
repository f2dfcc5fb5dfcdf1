import { Agent, get as httpGet, type IncomingMessage } from 'node:http';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, MemoryPersistence } from '../../src/index.js';
import { own } from '../support/checks/own.js';
import { until } from '../support/checks/until.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { Raw } from './raw.js';
import { eventsOf, expectProblem, FORMS, fetchShop, get, nodeShop, post, type UserOf } from './support.js';

let server: RedisServer;
let redis: Redis;
let watching: Redis;
let issuer: CouponIssuer;
let rows: MemoryPersistence;
let round = 0;
beforeAll(async () => {
  server = await RedisServer.start();
  [redis, watching] = [server.client(), server.client()];
});
afterAll(() => server.stop());
beforeEach(async () => {
  rows = new MemoryPersistence();
  issuer = new CouponIssuer({ redis, persistence: rows, prefix: `attack-${++round}` });
  const stock = { kind: 'counted', total: 5_000, generateCodes: true } as const;
  await issuer.campaign('launch').open({ stock });
  await issuer.campaign('line').open({ stock, admission: 'queued' });
  await issuer.campaign('staff').open({ stock });
});
afterEach(() => issuer.close());

async function numberIn(section: string, name: string): Promise<number> {
  const [, value] = new RegExp(`^${name}:(\\d+)`, 'm').exec(await watching.info(section))!;
  return Number(value);
}

/** The commands that Redis ran meanwhile. A script counts once, and each command in it. */
async function commandsOf(work: () => Promise<void>): Promise<number> {
  const before = await numberIn('stats', 'total_commands_processed');
  await work();
  return (await numberIn('stats', 'total_commands_processed')) - before - 1;
}

const issued = async () => (await rows.list('launch', { afterSerial: 0, limit: 10_000 })).length;
const encodedUser: UserOf = (name) => (name === null ? null : decodeURIComponent(name));

const request = (lines: readonly string[], method = 'POST', path = '/launch/issue') =>
  [`${method} ${path} HTTP/1.1`, 'Host: shop.test', 'x-user: kim', ...lines, '', ''].join('\r\n');
const JSON_TYPE = 'Content-Type: application/json';

describe.each(FORMS)('an attack on %s', (_, open) => {
  test('2,000 made-up campaigns cost Redis nothing, named in a list or refused by a function', async () => {
    const odd = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'staff', '..%2flaunch', 'launch%0d%0aX: y'];
    const ids = [...odd, ...Array.from({ length: 1_000 }, (_, i) => `made-up-${i}`)];
    for (const campaigns of [['launch', 'line'], (id: string) => id === 'launch']) {
      const { ask } = await own(open(issuer, { campaigns }));
      const spent = await commandsOf(async () => {
        for (const id of ids) {
          const answers = [await post(ask, `/${id}/issue`), await get(ask, `/${id}/events`)];
          for (const { status } of answers) expect(status, id).toBe(404);
        }
      });
      expect(spent).toBe(0);
    }
  });

  test('a form of another site issues nothing and costs Redis nothing', async () => {
    const { ask } = await own(open(issuer));
    const types = [
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/plain',
      'text/plain; application/json',
      'text/plain;charset="application/json"',
      'application/json, text/plain',
      'application/json5',
      'application/jsonp; x=application/json',
      '',
    ];
    const spent = await commandsOf(async () => {
      for (const type of types) {
        for (const body of ['', '{"a":"=b"}', 'a=b']) {
          for (const path of ['/launch/issue', '/line/join', '/line/leave']) {
            const headers = { 'content-type': type, 'sec-fetch-site': 'cross-site', cookie: 'session=kim' };
            await expectProblem(await post(ask, path, { headers, body }), 415);
          }
        }
      }
    });
    expect([spent, await issued()]).toEqual([0, 0]);
    const headers = { 'content-type': ' Application/JSON ; charset=utf-8' };
    expect((await post(ask, '/launch/issue', { headers })).status).toBe(201);
  });

  test('a user id with line ends injects no header and no event', async () => {
    const evil = 'kim\r\nSet-Cookie: a=b\r\n\r\ndata: {"status":"issued"}\n\nid: final\n\n';
    const { ask } = await own(open(issuer, { userOf: encodedUser }));
    const user = encodeURIComponent(evil);
    await post(ask, '/line/join', { user });
    const headers = { 'last-event-id': 'final data: {"status":"issued"}' };
    const stream = await get(ask, '/line/events', { user, headers });
    const answers = [await post(ask, '/launch/issue', { user }), await get(ask, '/launch/status', { user }), stream];
    for (const answer of answers) {
      expect(answer.ok).toBe(true);
      expect(answer.headers.get('set-cookie')).toBeNull();
    }
    await issuer.campaign('line').admit({ count: 1 });
    const events = await eventsOf(stream);
    expect(events.filter(({ id }) => id === 'final')).toHaveLength(1);
    for (const { data } of events) expect(JSON.stringify(data)).not.toContain('Set-Cookie');
    expect((await issuer.campaign('launch').userStatus({ userId: evil })).status).toBe('issued');
  });

  test('keys of prototypes are keys like any other', async () => {
    const { ask } = await own(
      open(issuer, { data: ({ source }) => ({ source: String(source) }), maxStreamsPerUser: 1 }),
    );
    for (const user of ['__proto__', 'constructor', 'toString']) {
      const body = '{"__proto__":{"source":"evil","status":500},"constructor":{"prototype":{"x":1}}}';
      expect((await post(ask, '/launch/issue', { user, body })).status).toBe(201);
      await post(ask, '/line/join', { user });
      const stream = await get(ask, '/line/events', { user });
      expect(stream.status).toBe(200);
      await expectProblem(await get(ask, '/line/events', { user }), 429);
      await stream.body!.cancel();
    }
    expect({}).not.toHaveProperty('source');
    const saved = await rows.list('launch', { afterSerial: 0, limit: 10 });
    expect(saved.map((row) => (row as { data?: unknown }).data)).toEqual(Array(3).fill({ source: 'undefined' }));
  });

  test('two users with one Idempotency-Key get two coupons, and one user with it gets one', async () => {
    const { ask } = await own(open(issuer));
    const headers = { 'idempotency-key': 'same' };
    const users = ['kim', 'lee', 'kim', 'lee', 'kim'];
    const answers = await Promise.all(users.map((user) => post(ask, '/launch/issue', { user, headers })));
    const bodies = await Promise.all(answers.map((answer) => answer.json() as Promise<{ coupon: { code: string } }>));
    expect(new Set(bodies.map(({ coupon }) => coupon.code)).size).toBe(2);
    expect(await issued()).toBe(2);
  });

  test('a request of a stranger costs Redis nothing', async () => {
    const { ask } = await own(open(issuer));
    const spent = await commandsOf(async () => {
      for (const verb of ['issue', 'join', 'leave']) {
        expect((await post(ask, `/launch/${verb}`, { user: null, body: 'x'.repeat(100_000) })).status).toBe(401);
      }
      for (const verb of ['status', 'events']) {
        expect((await get(ask, `/launch/${verb}`, { user: null })).status).toBe(401);
      }
    });
    expect(spent).toBe(0);
  });
});

test('a body without an end is read up to its limit, as a web stream', async () => {
  let pulled = 0;
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      pulled++;
      controller.enqueue(new Uint8Array(1_024).fill(32));
    },
    cancel: () => {
      cancelled = true;
    },
  });
  const answer = await fetchShop(issuer).ask('/launch/issue', { body });
  await expectProblem(answer, 413);
  expect(cancelled).toBe(true);
  expect(pulled).toBeLessThan(10);
});

describe('bytes of an attacker', () => {
  test('a chunked body without an end is answered 413, and the connection ends', async () => {
    const { port } = await own(nodeShop(issuer));
    const raw = await own(new Raw(port, request([JSON_TYPE, 'Transfer-Encoding: chunked'])));
    const chunk = `1000\r\n${' '.repeat(4_096)}\r\n`;
    let sent = 0;
    const flood = () => {
      while (!raw.socket.destroyed && raw.socket.write(chunk)) sent++;
    };
    raw.socket.on('drain', flood);
    flood();
    await until(() => raw.socket.destroyed);
    expect(sent).toBeLessThan(100_000);
    expect(await issued()).toBe(0);
  });

  test('a body of an announced gigabyte is not waited for', async () => {
    const { port } = await own(nodeShop(issuer));
    const text = request([JSON_TYPE, 'Content-Length: 1000000000']) + ' '.repeat(5_000);
    const raw = await (await own(new Raw(port, text))).answered();
    expect(raw.status).toBe(413);
    expect(raw.answer).toMatch(/\r\nconnection: close\r\n/i);
    await until(() => raw.socket.destroyed);
  });

  test('a hundred bodies that never come to their end cost Redis nothing, and keep nobody waiting', async () => {
    const { port, ask } = await own(nodeShop(issuer));
    const text = `${request([JSON_TYPE, 'Content-Length: 100'])}{`;
    const raws = await Promise.all(Array.from({ length: 100 }, () => own(new Raw(port, text))));
    let spent = await commandsOf(async () => {
      expect((await get(ask, '/nobody/status')).status).toBe(404);
    });
    expect((await post(ask, '/launch/issue', { user: 'lee' })).status).toBe(201);
    spent += await commandsOf(async () => {
      for (const raw of raws) raw.socket.end();
      await Promise.all(raws.map((raw) => until(() => raw.socket.destroyed || raw.socket.readableEnded)));
    });
    expect([spent, await issued()]).toEqual([0, 1]);
  });

  test('two Idempotency-Keys, a method in lower case, and a path of another host are refused', async () => {
    const { port } = await own(nodeShop(issuer));
    const cases: [string, number][] = [
      [request([JSON_TYPE, 'Idempotency-Key: a', 'Idempotency-Key: a', 'Content-Length: 0']), 400],
      [request([JSON_TYPE, 'Content-Length: 0'], 'post'), 400],
      [request([JSON_TYPE, 'Content-Length: 0'], 'TRACE'), 405],
      [request([JSON_TYPE, 'Content-Length: 0'], 'POST', 'http://evil.test/launch/issue'), 404],
      [request([JSON_TYPE, 'Content-Length: 0'], 'POST', '//evil.test/launch/issue'), 404],
      [request([JSON_TYPE, 'Content-Length: 0'], 'POST', '*'), 404],
    ];
    for (const [text, status] of cases) {
      const raw = await (await own(new Raw(port, text))).answered();
      expect(raw.status, text).toBe(status);
    }
    expect(await issued()).toBe(0);
    const odd = await fetchShop(issuer).ask('/launch/issue', { method: 'move' });
    await expectProblem(odd, 405);
  });

  test('a connection stays open for the next request, unless a body was refused unread', async () => {
    const { port } = await own(nodeShop(issuer));
    const raw = await own(new Raw(port, ''));
    const texts = [
      request([JSON_TYPE, 'Content-Length: 2']).concat('{}'),
      request([JSON_TYPE, 'Content-Length: 0']),
      request(['Content-Length: 0']),
      request([], 'GET', '/launch/status'),
      request([], 'GET', '/made-up/status'),
      request(['Content-Length: 3']).concat('a=b'),
    ];
    const answers: [status: number, closes: boolean][] = [];
    for (const text of texts) {
      raw.answer = '';
      raw.socket.write(text);
      const { status, answer } = await raw.answered();
      answers.push([status, /connection: close/i.test(answer)]);
    }
    expect(answers).toEqual([...[201, 200, 415, 200, 404].map((status) => [status, false]), [415, true]]);
    await until(() => raw.socket.destroyed);
  });
});

test('a user that opens and closes a stream 100 times costs a connection each at most, and none is left', async () => {
  const { ask } = fetchShop(issuer);
  await post(ask, '/line/join');
  const open = await numberIn('clients', 'connected_clients');
  const before = await numberIn('stats', 'total_connections_received');
  const spent = await commandsOf(async () => {
    for (let i = 0; i < 100; i++) {
      const { status, body } = await get(ask, '/line/events');
      expect(status).toBe(200);
      await body!.cancel();
    }
  });
  expect((await numberIn('stats', 'total_connections_received')) - before).toBeLessThanOrEqual(100);
  // The handshake of the connection, its subscription, and one look.
  expect(spent).toBeLessThan(100 * 30);
  await until(async () => (await numberIn('clients', 'connected_clients')) === open);
});

test('1,000 idle streams cost one connection, at most one look each to open, and two per change', async () => {
  const STREAMS = 1_000;
  const { port, stop } = await nodeShop(issuer);
  const agent = new Agent({ keepAlive: false, maxSockets: STREAMS });
  const line = issuer.campaign('line');
  await Promise.all(Array.from({ length: STREAMS + 1 }, (_, i) => line.join({ userId: `u${i}` })));
  const connections = await numberIn('clients', 'connected_clients');
  const scripts = async () => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await watching.info('commandstats'))![1]);
  const told = { events: 0, ended: 0 };
  const open = (user: string) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { 'x-user': user };
      httpGet({ agent, host: '127.0.0.1', port, path: '/line/events', headers }, (response) => {
        response.on('data', (data: Buffer) => {
          if (String(data).includes('data: ')) told.events++;
        });
        response.once('end', () => told.ended++);
        resolve(response);
      }).once('error', reject);
    });
  const before = await scripts();
  await Promise.all(Array.from({ length: STREAMS }, (_, i) => open(`u${i + 1}`)));
  await until(() => told.events >= STREAMS);
  // One look for each at most, and the rounds that went on meanwhile.
  expect((await scripts()) - before).toBeLessThan(STREAMS * 1.5);
  expect((await numberIn('clients', 'connected_clients')) - connections).toBe(1);

  told.events = 0;
  const idle = await scripts();
  await line.leave({ userId: 'u0' });
  await until(() => told.events >= STREAMS);
  // A look of 1,000 users is two scripts. One change may take two looks, and one comes by itself every five seconds.
  expect((await scripts()) - idle).toBeLessThan(20);

  await issuer.close();
  await until(() => told.ended === STREAMS);
  await until(async () => (await numberIn('clients', 'connected_clients')) === connections);
  await stop();
});
