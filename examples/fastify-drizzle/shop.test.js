// Over HTTP, on two processes, with the real servers.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { CouponIssuer } from 'coupon-issuer';
import { connectPostgres, connectRedis } from './connections.js';
import { run, STOCK, serve } from './processes.js';
import { users } from './schema.js';

const BUYERS = Array.from({ length: 1_500 }, () => randomUUID());
const { db, persistence, close } = connectPostgres(process.env);
let shops;
before(async () => {
  await run('setup.js');
  await db.insert(users).values(BUYERS.map((id) => ({ id, name: 'A buyer' })));
  shops = await Promise.all([serve({ WORKER: 'on' }), serve({ WORKER: 'off' })]);
});
after(close);

const ask = (shop, userId, method, path, body) =>
  fetch(`${shop.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${userId}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
const query = async (text, ...values) => (await db.$client.query(text, values)).rows;
/** The code of each user who has a row. */
async function savedCodes() {
  const rows = await query("SELECT user_id, code FROM coupon_issuances WHERE campaign_id = 'launch'");
  return Object.fromEntries(rows.map(({ user_id: userId, code }) => [userId, code]));
}

test('a user who is not in the table of users gets no coupon', async () => {
  const answer = await ask(shops[0], randomUUID(), 'POST', '/coupons/launch/issue');
  assert.deepEqual([answer.status, (await answer.json()).reason], [403, 'unknown_user']);
});

const codes = new Map();

test('of 1,500 buyers at two processes, 300 get a coupon and its row, and everybody gets one answer', async () => {
  const answers = await Promise.all(
    BUYERS.map(async (userId, i) => {
      const response = await ask(shops[i % 2], userId, 'POST', '/coupons/launch/issue');
      return { userId, status: response.status, body: await response.json() };
    }),
  );
  for (const { userId, status, body } of answers) if (status === 201) codes.set(userId, body.coupon.code);
  const soldOut = answers.filter(({ status, body }) => status === 409 && body.type === '/problems/sold_out');
  assert.deepEqual([codes.size, soldOut.length], [STOCK, BUYERS.length - STOCK]);
  assert.deepEqual(await savedCodes(), Object.fromEntries(codes));
});

test('a checkout takes the coupon and the order together, and a repeat finds the same answer', async () => {
  const [[ann, code], [ben, codeOfBen]] = codes;
  const order = async (userId) => (await (await ask(shops[0], userId, 'POST', '/orders')).json()).id;
  const pay = async (userId, id, body) => {
    const answer = await ask(shops[1], userId, 'POST', `/orders/${id}/checkout`, body);
    return { status: answer.status, ...(await answer.json()) };
  };
  const [first, second, third] = [await order(ann), await order(ann), await order(ben)];

  const paid = await pay(ann, first, { code });
  assert.deepEqual([paid.status, paid.coupon.state], ['redeemed', 'redeemed']);
  assert.equal((await pay(ann, first, { code })).replayed, true);
  assert.equal((await pay(ann, second, { code })).type, '/problems/already_redeemed');
  assert.equal((await pay(ben, first, { code: codeOfBen })).status, 404);
  assert.equal((await pay(ben, third, { code })).type, '/problems/not_found');

  const used = await query(
    "SELECT orders.id, code FROM orders JOIN coupon_issuances AS c ON c.id = coupon_id WHERE c.state = 'redeemed'",
  );
  assert.deepEqual(used, [{ id: first, code }]);
});

test('a connection that breaks inside a checkout is one failed request, and the same checkout passes later', async () => {
  const [shop] = shops;
  const [, , [cho, code]] = codes;
  const { id } = await (await ask(shop, cho, 'POST', '/orders')).json();
  const pay = () => ask(shop, cho, 'POST', `/orders/${id}/checkout`, { code });
  const isBlocked = "wait_event_type = 'Lock' AND query LIKE '%for update%'";
  const [broken] = await db.transaction(async (tx) => {
    await tx.execute('LOCK TABLE orders');
    const paying = pay();
    const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${isBlocked}`;
    while ((await query(end)).length === 0) await setTimeout(10);
    return [paying];
  });
  const { statusCode, message } = await (await broken).json();
  assert.deepEqual([statusCode, message], [500, 'Something went wrong.']);
  assert.equal((await (await pay()).json()).status, 'redeemed');
});

test('SIGTERM ends 20 event streams, answers 50 calls in flight, and loses nothing', async () => {
  const [worker, shop] = shops;
  const redis = connectRedis(process.env);
  const launch = new CouponIssuer({ redis, persistence }).campaign('launch');
  await launch.restock({ add: 100, requestId: 'restock-1' });
  // Without a worker nobody in line is admitted, so no stream ends by itself.
  assert.equal(await worker.stop(), 0);
  const streams = [];
  for (const userId of BUYERS.slice(0, 20)) {
    await (await ask(shop, userId, 'POST', '/coupons/line/join')).json();
    streams.push(await ask(shop, userId, 'GET', '/coupons/line/events'));
  }

  const late = BUYERS.filter((userId) => !codes.has(userId)).slice(0, 50);
  const before = shop.requests();
  const [answers, stopped] = await db.transaction(async (tx) => {
    await tx.execute('LOCK TABLE coupon_issuances IN SHARE MODE');
    const inFlight = late.map((userId) => ask(shop, userId, 'POST', '/coupons/launch/issue'));
    while (shop.requests() < before + late.length) await setTimeout(10);
    const exit = shop.stop();
    for (const stream of streams) assert.match(await stream.text(), /^: watching\n\n/);
    return [inFlight, exit];
  });
  for (const answer of await Promise.all(answers)) {
    assert.equal(answer.status, 201);
    codes.set(late.shift(), (await answer.json()).coupon.code);
  }
  assert.equal(await stopped, 0);
  assert.deepEqual(await savedCodes(), Object.fromEntries(codes));
  const { issued, reserved, available } = await launch.inspect();
  assert.deepEqual({ issued, reserved, available }, { issued: STOCK + 50, reserved: 0, available: 50 });
  assert.deepEqual((await launch.reconcile()).findings, []);
  redis.disconnect();
});
