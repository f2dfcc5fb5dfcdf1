import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { MemoryPersistence } from 'coupon-issuer';
import RedisMock from 'ioredis-mock';
import { createApp } from './app.js';

const USERS = ['ann', 'ben', 'eve'];
const sessions = new Map(USERS.map((name) => [`token-of-${name}`, name]));
let redis;
let lines;
let app;
beforeEach(async () => {
  redis = new RedisMock();
  lines = [];
  const issuer = { redis, persistence: new MemoryPersistence(), prefix: randomUUID() };
  const db = { insert: () => assert.fail(new Error('params: S3CR3T')) };
  app = createApp({ issuer, worker: false, sessions, db, logger: { stream: { write: (line) => lines.push(line) } } });
  await app.ready();
  await app.coupons.campaign('launch').open({ stock: { kind: 'counted', total: 2, generateCodes: true } });
  await app.coupons.campaign('line').open({ stock: { kind: 'counted', total: 2 }, admission: 'queued' });
});
afterEach(async () => {
  await app.close();
  redis.disconnect();
});

const ask = (name, method, url, more = {}) =>
  app.inject({ method, url, headers: { authorization: `Bearer token-of-${name}`, ...more.headers }, ...more.rest });

test('of three users, the third is told that nothing is left', async () => {
  const answers = [];
  for (const name of USERS) answers.push(await ask(name, 'POST', '/coupons/launch/issue'));
  assert.deepEqual(
    answers.map(({ statusCode }) => statusCode),
    [201, 201, 409],
  );
  assert.equal(answers[2].json().type, '/problems/sold_out');
});

test('a repeat under its Idempotency-Key gets the same coupon', async () => {
  const headers = { 'idempotency-key': 'click-1' };
  const first = (await ask('ann', 'POST', '/coupons/launch/issue', { headers })).json();
  const again = (await ask('ann', 'POST', '/coupons/launch/issue', { headers })).json();
  assert.deepEqual(again, { ...first, replayed: true });
  const status = (await ask('ann', 'GET', '/coupons/launch/status')).json();
  assert.equal(status.status, 'issued');
});

test('a user in line hears the coupon in the event stream', async () => {
  await ask('ann', 'POST', '/coupons/line/join');
  const stream = ask('ann', 'GET', '/coupons/line/events');
  await app.coupons.campaign('line').admit({ count: 1 });
  const { headers, body } = await stream;
  assert.match(headers['content-type'], /^text\/event-stream/);
  assert.match(body, /"status":"issued"/);
});

test('a stranger and a campaign that is not public get nothing', async () => {
  assert.equal((await ask('nobody', 'POST', '/coupons/launch/issue')).statusCode, 401);
  assert.equal((await ask('ann', 'POST', '/coupons/staff/issue')).statusCode, 404);
});

test('the message of a fault reaches neither the user nor the log', async () => {
  const { statusCode, body } = await ask('ann', 'POST', '/orders');
  assert.equal(statusCode, 500);
  assert.match(lines.join(''), /a request failed/);
  assert.doesNotMatch(body + lines.join(''), /S3CR3T/);
});

test('a process that serves is ready, and one without Redis is not', async () => {
  assert.equal((await app.inject('/ready')).statusCode, 200);
  mock.method(redis, 'evalsha', async () => assert.fail('Redis is away'));
  assert.equal((await app.inject('/ready')).statusCode, 503);
});
