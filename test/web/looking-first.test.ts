import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, MemoryPersistence } from '../../src/index.js';
import { own } from '../support/checks/own.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { Raw } from './raw.js';
import { type Asked, FORMS, fetchShop, get, nodeShop, post } from './support.js';

let server: RedisServer;
let watching: Redis;
let redis: Redis;
let issuer: CouponIssuer;
let round = 0;
beforeAll(async () => {
  server = await RedisServer.start();
  [redis, watching] = [server.client(), server.client()];
});
afterAll(() => server.stop());
beforeEach(async () => {
  issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence(), prefix: `look-${++round}` });
  const stock = { kind: 'counted', total: 50, generateCodes: true } as const;
  await issuer.campaign('launch').open({ stock });
  await issuer.campaign('line').open({ stock, admission: 'queued' });
});
afterEach(() => issuer.close());

async function connections(): Promise<number> {
  return Number(/^total_connections_received:(\d+)/m.exec(await watching.info('stats'))![1]);
}

describe.each(FORMS)('the events of %s', (_, open) => {
  test('cost no connection of Redis where they become no stream', async () => {
    const { ask } = await own(open(issuer, { campaigns: ['launch', 'line', 'nobody'] }));
    await post(ask, '/line/join', { user: 'lee' });
    const before = await connections();
    const cases: [string, string, number][] = [
      ['kim', '/launch/events', 409],
      ['kim', '/nobody/events', 404],
      ['kim', '/line/events', 200],
    ];
    for (let i = 0; i < 20; i++) {
      for (const [user, path, status] of cases) {
        const answer = await get(ask, path, { user });
        expect(answer.status).toBe(status);
        await answer.text();
      }
      expect((await ask('/line/events', { method: 'HEAD', user: 'lee' })).status).toBe(200);
    }
    expect((await connections()) - before).toBe(0);
  });

  test('are answered to HEAD as to GET, and keep no stream', async () => {
    const { ask } = await own(open(issuer, { campaigns: ['launch', 'line', 'nobody'], maxStreams: 1 }));
    await post(ask, '/line/join');
    const head = async (path: string, asked: Asked = {}) => {
      const { status, headers, body } = await ask(path, { method: 'HEAD', ...asked });
      expect(body).toBe(null);
      return [status, headers.get('content-type')];
    };
    const problem = 'application/problem+json';
    for (let i = 0; i < 3; i++) {
      expect(await head('/line/events')).toEqual([200, 'text/event-stream; charset=utf-8']);
      expect(await head('/launch/events')).toEqual([409, problem]);
      expect(await head('/nobody/events')).toEqual([404, problem]);
    }
    const stream = await get(ask, '/line/events');
    expect(await head('/line/events', { user: 'lee' })).toEqual([503, problem]);
    await stream.body!.cancel();
  });
});

test('events are refused to an image, a frame or a link of another site, and not to a script that may ask', async () => {
  const { port } = await own(nodeShop(issuer));
  const { ask } = fetchShop(issuer);
  await post(ask, '/line/join');
  const inNode = async (headers: Record<string, string>) => {
    const lines = Object.entries({ host: 'shop.test', 'x-user': 'kim', ...headers }).map(
      ([name, value]) => `${name}: ${value}`,
    );
    const raw = await own(new Raw(port, ['GET /line/events HTTP/1.1', ...lines, '', ''].join('\r\n')));
    await raw.answered();
    raw.stop();
    return raw.status;
  };
  const inFetch = async (headers: Record<string, string>) => {
    const { status, body } = await get(ask, '/line/events', { headers });
    await body!.cancel();
    return status;
  };
  for (const asking of [inNode, inFetch]) {
    const from = (site: string, mode: string) => asking({ 'sec-fetch-site': site, 'sec-fetch-mode': mode });
    for (const site of ['cross-site', 'same-site']) {
      for (const mode of ['no-cors', 'navigate']) expect(await from(site, mode)).toBe(403);
      expect(await from(site, 'cors')).toBe(200);
    }
    expect([await from('same-origin', 'cors'), await from('none', 'navigate')]).toEqual([200, 200]);
  }
});
