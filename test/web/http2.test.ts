import { once } from 'node:events';
import type { IncomingMessage, RequestListener } from 'node:http';
import { type ClientHttp2Session, connect, createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CouponIssuer } from '../../src/index.js';
import { type NodeHandlerOptions, nodeHandler } from '../../src/web/index.js';
import { mockIssuer } from '../mock/support.js';
import { own } from '../support/checks/own.js';
import { until } from '../support/checks/until.js';
import { ScriptedPersistence } from '../support/scenes/campaigns.js';
import { USER } from './support.js';

let issuer: CouponIssuer;
let persistence: ScriptedPersistence;
beforeEach(async () => {
  persistence = new ScriptedPersistence();
  issuer = mockIssuer({ persistence });
  const stock = { kind: 'counted', total: 9, generateCodes: true } as const;
  await issuer.campaign('launch').open({ stock });
  await issuer.campaign('line').open({ stock, admission: 'queued' });
});
afterEach(() => issuer.close());

async function served(more: Partial<NodeHandlerOptions> = {}): Promise<ClientHttp2Session> {
  const answer = nodeHandler<IncomingMessage>(issuer, {
    campaigns: ['launch', 'line'],
    user: ({ headers }) => headers[USER] as string,
    data: ({ source }) => ({ source: String(source) }),
    ...more,
  });
  const server: Http2Server = createServer(answer as unknown as Parameters<typeof createServer>[1] & RequestListener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await own({
    stop: async () => {
      client.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  return client;
}

const headersOf = (method: string, path: string, user = 'kim') => ({
  ':method': method,
  ':path': path,
  [USER]: user,
  'content-type': 'application/json',
});

/** A body without a length, as a client over HTTP/2 may send it. */
async function issue(client: ClientHttp2Session, body: string | null, user = 'kim'): Promise<number> {
  const stream = client.request(headersOf('POST', '/launch/issue', user), { endStream: body === null });
  if (body !== null) stream.end(body);
  const [headers] = await once(stream, 'response');
  stream.resume();
  return headers[':status'];
}

test('a body without a length is read over HTTP/2', async () => {
  const client = await served();
  expect(await issue(client, '{"source":"mail"}')).toBe(201);
  const [row] = await persistence.rows('launch');
  expect(row).toMatchObject({ data: { source: 'mail' } });
  for (const body of ['{bad', '[]']) expect(await issue(client, body, 'lee')).toBe(400);
  expect(await issue(client, ' '.repeat(100_000), 'lee')).toBe(413);
  for (const [i, body] of [null, ''].entries()) expect(await issue(client, body, `u${i}`)).toBe(201);
});

test('a body that goes on after 413 over HTTP/2 is stopped by the server', async () => {
  const client = await served();
  const stream = client.request(headersOf('POST', '/launch/issue'));
  const answered = once(stream, 'response');
  stream.write(' '.repeat(5_000));
  expect((await answered)[0][':status']).toBe(413);
  stream.resume();
  await expect.poll(() => stream.closed, { timeout: 5_000 }).toBe(true);
  expect(stream.rstCode).toBe(0);
});

test('a stream over HTTP/2 whose client left while its user was looked up does not count', async () => {
  let lookUp: () => void = () => {};
  let isSlow = true;
  const user = ({ headers }: IncomingMessage) => {
    const name = headers[USER] as string;
    if (!isSlow) return name;
    return new Promise<string>((resolve) => {
      lookUp = () => resolve(name);
    });
  };
  let left = 0;
  const client = await served({
    user: (request) => {
      request.once('close', () => left++);
      return user(request);
    },
    maxStreams: 1,
  });
  await issuer.campaign('line').join({ userId: 'kim' });
  const asked = lookUp;
  const gone = client.request(headersOf('GET', '/line/events'));
  await until(() => lookUp !== asked);
  gone.close();
  await until(() => left === 1);
  isSlow = false;
  lookUp();
  const again = async () => {
    const stream = client.request(headersOf('GET', '/line/events'));
    const [headers] = await once(stream, 'response');
    stream.close();
    return headers[':status'];
  };
  await expect.poll(again, { timeout: 5_000 }).toBe(200);
});
