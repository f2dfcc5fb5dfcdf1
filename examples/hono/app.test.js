import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, test } from 'node:test';
import { serve } from '@hono/node-server';
import { CouponIssuer, MemoryPersistence } from 'coupon-issuer';
import { PostgresPersistence } from 'coupon-issuer/postgres';
import RedisMock from 'ioredis-mock';
import pg from 'pg';
import { createApp } from './app.js';

const sessions = new Map(Array.from({ length: 1_500 }, (_, i) => [`token-${i}`, `user-${i}`]));
let issuer;
let app;
let persistence;
beforeEach(async () => {
  persistence = new MemoryPersistence();
  issuer = new CouponIssuer({ redis: new RedisMock(), persistence, prefix: randomUUID() });
  const stock = { kind: 'counted', total: 2, generateCodes: true };
  await issuer.campaign('launch').open({ stock });
  await issuer.campaign('line').open({ stock, admission: 'queued' });
  await issuer.campaign('staff').open({ stock });
  app = createApp({ issuer, sessions, campaigns: ['launch', 'line'], log: () => {} });
});
afterEach(() => issuer.close());

const as = (i, headers = {}) => ({
  method: 'POST',
  headers: { authorization: `Bearer token-${i}`, 'content-type': 'application/json', ...headers },
});

test('of three users, the third is told that nothing is left', async () => {
  const answers = [];
  for (const i of [1, 2, 3]) answers.push(await app.request('/coupons/launch/issue', as(i)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 409],
  );
  const problem = await answers[2].json();
  assert.equal(problem.type, '/problems/sold_out');
  assert.equal((await (await app.request(problem.type)).json()).title, 'Sold out');
});

test('a repeat under its Idempotency-Key gets the same coupon', async () => {
  const ask = async () => (await app.request('/coupons/launch/issue', as(1, { 'idempotency-key': 'click-1' }))).json();
  const first = await ask();
  assert.deepEqual(await ask(), { ...first, replayed: true });
});

test('a stranger, a form of another site and a staff sale get nothing', async () => {
  const { status: stranger } = await app.request('/coupons/launch/issue', as('nobody'));
  const form = as(1, { 'content-type': 'application/x-www-form-urlencoded' });
  const { status: other } = await app.request('/coupons/launch/issue', form);
  const { status: staff } = await app.request('/coupons/staff/issue', as(1));
  assert.deepEqual([stranger, other, staff], [401, 415, 404]);
});

test('a user in line hears the coupon in the event stream', async () => {
  await app.request('/coupons/line/join', as(1));
  const stream = await app.request('/coupons/line/events', { headers: as(1).headers });
  await issuer.campaign('line').admit({ count: 1 });
  assert.match(await stream.text(), /"status":"issued".*"code":"[0-9A-Z]{13}"/);
});

test('over HTTP the first 1,000 of 1,500 buyers get a row each, and a shutdown ends the open streams', async (t) => {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
  const rows = new PostgresPersistence(pool);
  await rows.createTable();
  const shop = new CouponIssuer({ redis: new RedisMock(), persistence: rows, prefix: randomUUID() });
  const stock = { kind: 'counted', total: 1_000, generateCodes: true };
  await shop.campaign('launch').open({ stock });
  await shop.campaign('line').open({ stock, admission: 'queued' });
  const { fetch: answer } = createApp({ issuer: shop, sessions, campaigns: ['launch', 'line'] });
  const server = serve({ fetch: answer, port: 0 });
  t.after(() => server.closeAllConnections?.());
  t.after(() => server.close());
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${server.address().port}/coupons`;

  // 100 at a time: this process is the shop, its Redis and every buyer.
  const bodies = [];
  const buyers = [...sessions.keys()].keys();
  const buy = async () => {
    for (const i of buyers) bodies.push(await (await fetch(`${url}/launch/issue`, as(i))).json());
  };
  await Promise.all(Array.from({ length: 100 }, buy));
  const codes = bodies.filter(({ status }) => status === 'issued').map(({ coupon }) => coupon.code);
  const { rows: saved } = await pool.query('SELECT code FROM coupon_issuances WHERE campaign_id = $1', ['launch']);
  assert.equal(codes.length, 1_000);
  assert.deepEqual(saved.map(({ code }) => code).sort(), codes.sort());

  const streams = [];
  for (let i = 0; i < 20; i++) {
    await (await fetch(`${url}/line/join`, as(i))).json();
    streams.push(await fetch(`${url}/line/events`, { headers: as(i).headers }));
  }
  const closed = new Promise((resolve) => server.close(resolve));
  await shop.close();
  for (const stream of streams) assert.match(await stream.text(), /^: watching\n\n/);
  server.closeIdleConnections();
  await closed;
  await pool.query('DELETE FROM coupon_issuances');
  await pool.end();
});
