// cspell:ignore Caunch Fissue laun
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CouponIssuer } from '../../src/index.js';
import { mockIssuer } from '../mock/support.js';
import { own } from '../support/checks/own.js';
import { until } from '../support/checks/until.js';
import { ScriptedPersistence } from '../support/scenes/campaigns.js';
import { Raw } from './raw.js';
import { fetchShop, get, nodeShop, post } from './support.js';

let issuer: CouponIssuer;
let persistence: ScriptedPersistence;
const heard: unknown[] = [];
beforeEach(async () => {
  heard.length = 0;
  persistence = new ScriptedPersistence();
  issuer = mockIssuer({ persistence });
  const stock = { kind: 'counted', total: 500, generateCodes: true } as const;
  await issuer.campaign('launch').open({ stock });
  await issuer.campaign('line').open({ stock, admission: 'queued' });
});
afterEach(() => issuer.close());

const openShop = () => own(nodeShop(issuer, { onError: (error) => heard.push(error) }));
const usersWithCoupons = async () => (await persistence.rows('launch')).map(({ userId }) => userId).sort();

const JSON_TYPE = 'Content-Type: application/json';
const request = (lines: readonly string[], { user = 'kim', path = '/launch/issue', version = '1.1' } = {}) =>
  [`POST ${path} HTTP/${version}`, 'Host: shop.test', `x-user: ${user}`, ...lines, '', ''].join('\r\n');
const issue = (user: string) => request([JSON_TYPE, 'Content-Length: 0'], { user });
const EVIL = issue('evil');

test('a request that hides in the body of another one is not heard', async () => {
  const { port } = await openShop();
  const chunked = `0\r\n\r\n${EVIL}`;
  const lengths = [`Content-Length: ${EVIL.length}`, `Content-Length: ${chunked.length}`] as const;
  const cases = [
    // As the body of a request that is refused before its body is read, or after.
    request([lengths[0]]) + EVIL,
    request([JSON_TYPE, lengths[0]]) + EVIL,
    request([JSON_TYPE, lengths[0]], { path: '/made-up/issue' }) + EVIL,
    // Two lengths, of which one server believes the first, and another one the second.
    request([JSON_TYPE, lengths[1], 'Transfer-Encoding: chunked']) + chunked,
    request([JSON_TYPE, 'Content-Length: 0', lengths[0]]) + EVIL,
    request([JSON_TYPE, 'Transfer-Encoding: chunked, identity']) + chunked,
    request([JSON_TYPE, 'Transfer-Encoding : chunked', lengths[1]]) + chunked,
    request([JSON_TYPE, `Content-Length: +${EVIL.length}`]) + EVIL,
  ];
  for (const text of cases) {
    const raw = await (await own(new Raw(port, text))).answered();
    expect(raw.status, text).toBeGreaterThanOrEqual(400);
    await until(() => raw.socket.destroyed || raw.socket.readableEnded || !/connection: close/i.test(raw.answer));
  }
  expect([await usersWithCoupons(), heard]).toEqual([[], []]);
});

test('100 requests in one piece are answered in their order, and one user gets one coupon by them', async () => {
  const { port } = await openShop();
  const users = Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? 'kim' : `u${i}`));
  const raw = await own(new Raw(port, users.map(issue).join('')));
  await until(() => raw.answer.split('HTTP/1.1 ').length === 101);
  const statuses = raw.answer
    .split('HTTP/1.1 ')
    .slice(1)
    .map((text) => Number(text.slice(0, 3)));
  for (const status of statuses) expect([200, 201]).toContain(status);
  expect(statuses.filter((_, i) => users[i] !== 'kim')).toEqual(Array.from({ length: 50 }, () => 201));
  expect(await usersWithCoupons()).toEqual([...new Set(users)].sort());
});

test('HTTP/1.0 is answered, and its event stream ends with its connection', async () => {
  const { port } = await openShop();
  const old = await own(new Raw(port, request([JSON_TYPE, 'Content-Length: 0'], { version: '1.0' })));
  await until(() => old.socket.readableEnded);
  expect(old.answer).toMatch(/^HTTP\/1\.1 201 /);
  await issuer.campaign('line').join({ userId: 'kim' });
  const stream = await own(new Raw(port, 'GET /line/events HTTP/1.0\r\nx-user: kim\r\n\r\n'));
  await until(() => stream.answer.includes('data: '));
  expect(stream.answer).not.toMatch(/transfer-encoding/i);
  await issuer.campaign('line').admit({ count: 1 });
  await until(() => stream.socket.readableEnded);
  expect(stream.answer).toMatch(/id: final\ndata: \{"status":"issued"/);
});

test('a client that expects to continue is let, and is answered before its body where it may not', async () => {
  const { port } = await openShop();
  const expects = (lines: readonly string[]) => request([...lines, 'Expect: 100-continue', 'Content-Length: 2']);
  const raw = await own(new Raw(port, expects([JSON_TYPE])));
  await until(() => raw.answer.startsWith('HTTP/1.1 100 Continue\r\n\r\n'));
  raw.socket.write('{}');
  await until(() => raw.answer.includes('HTTP/1.1 201 '));
  const refused = await own(new Raw(port, expects(['Content-Type: text/plain'])));
  await until(() => refused.answer.includes('HTTP/1.1 415 '));
  expect(refused.answer).toMatch(/\r\nconnection: close\r\n/i);
  await until(() => refused.socket.readableEnded);
});

test('100 uploads and 100 streams that are reset in the middle are no error, and leave nothing open', async () => {
  const { port, ask } = await openShop();
  await issuer.campaign('line').join({ userId: 'kim' });
  const half = `${request([JSON_TYPE, 'Content-Length: 100'], { user: 'half' })}{`;
  const uploads = await Promise.all(Array.from({ length: 100 }, () => own(new Raw(port, half))));
  expect((await get(ask, '/launch/status')).status).toBe(200);
  for (const { socket } of uploads) socket.resetAndDestroy();
  for (let i = 0; i < 100; i++) {
    const stream = await own(new Raw(port, 'GET /line/events HTTP/1.1\r\nHost: a\r\nx-user: kim\r\n\r\n'));
    await stream.answered();
    // The seventh of six finds a place that was given back.
    if (stream.status === 429) i--;
    stream.socket.resetAndDestroy();
  }
  let open: Response | undefined;
  await until(async () => {
    open = await get(ask, '/line/events');
    if (open.status !== 200) await open.body!.cancel();
    return open.status === 200;
  });
  await open!.body!.cancel();
  expect([await usersWithCoupons(), heard]).toEqual([[], []]);
});

test('streams asked for in one piece end with their connection, though the first of them has its whole answer', async () => {
  const shop = await own(nodeShop(issuer, { maxStreams: 12, maxStreamsPerUser: 12 }));
  await issuer.campaign('line').join({ userId: 'kim' });
  const stream = 'GET /line/events HTTP/1.1\r\nHost: a\r\nx-user: kim\r\n\r\n';
  const status = async () => {
    const { status, body } = await get(shop.ask, '/line/events');
    await body!.cancel();
    return status;
  };
  for (const leave of ['reset', 'end'] as const) {
    const raw = await own(new Raw(shop.port, stream.repeat(12)));
    await until(async () => raw.answer.includes('data: ') && (await status()) === 429);
    if (leave === 'reset') raw.socket.resetAndDestroy();
    else raw.socket.end();
    const open: Response[] = [];
    const more = async () => {
      const response = await get(shop.ask, '/line/events');
      if (response.status === 200) open.push(response);
      else await response.body!.cancel();
      return open.length;
    };
    await expect.poll(more, { timeout: 5_000 }).toBe(12);
    for (const { body } of open) await body!.cancel();
    await until(async () => (await status()) === 200);
  }
  expect(heard).toEqual([]);
});

test('no other spelling of a path, a query or a header is a campaign, a user or a method', async () => {
  const paths = [
    ...['/LAUNCH/issue', '/%EF%BD%8Caunch/issue', '/launch%E2%80%8B/issue', '/launch%2Fissue', '/launch%2Fissue/issue'],
    ...['/launch;x=1/issue', '/launch%20/issue', '/%20launch/issue', '/launch%00/issue', '/%2e%2e/%2e%2e/issue'],
    ...['/.%2f/issue', '/laun\u0441h/issue', `/${'launch'.repeat(1_500)}/issue`, '/launch/issue%20'],
  ];
  const shops = [fetchShop(issuer), await openShop()];
  for (const { ask } of shops) {
    for (const path of paths) expect((await post(ask, path)).status, path).toBe(404);
  }
  expect(await usersWithCoupons()).toEqual([]);
  for (const [i, { ask }] of shops.entries()) {
    const odd = {
      'x-http-method-override': 'GET',
      'x-original-url': '/staff/issue',
      'x-rewrite-url': '/staff/issue',
      'x-forwarded-user': 'evil',
    };
    const query = 'user=evil&user=evil&userId=evil&x-user=evil&__proto__=1&campaign=staff';
    const answer = await post(ask, `/launch/issue?${query}`, { user: `u${i}`, headers: odd });
    expect(answer.status).toBe(201);
  }
  expect(await usersWithCoupons()).toEqual(['u0', 'u1']);
});
