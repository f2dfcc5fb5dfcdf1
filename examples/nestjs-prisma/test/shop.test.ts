// The shop as a process of its own, over HTTP, on a real Redis and a real PostgreSQL.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { CouponIssuer, type UserCoupon } from 'coupon-issuer';
import { connectPrisma, connectRedis, persistenceOf } from '../src/clients.js';

const BUYERS = 1_500;
const STOCK = 300;
const prisma = connectPrisma();
const redis = connectRedis();
const issuer = new CouponIssuer({ redis, persistence: persistenceOf(prisma) });
const launch = issuer.campaign('launch');
let shop: { process: ChildProcess; url: string };
before(async () => {
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  const env = { ...process.env, STOCK: String(STOCK), LINE_OPENS_AT: inAnHour };
  for (const _ of [1, 2]) execFileSync('node', ['dist/src/setup.js'], { env, stdio: 'inherit' });
  await prisma.$executeRaw`INSERT INTO users SELECT n, 'user ' || n FROM generate_series(1, 2000) n`;
  shop = await startShop();
});
after(async () => {
  shop?.process.kill('SIGKILL');
  await issuer.close();
  redis.disconnect();
  await prisma.$disconnect();
});

async function startShop() {
  const child = spawn('node', ['dist/src/main.js'], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise<string>((resolve, reject) => {
    let log = '';
    child.stdout.on('data', (data) => {
      log += data;
      const [, port] = /listening on \S+:(\d+)/.exec(log) ?? [];
      if (port) resolve(`http://127.0.0.1:${port}`);
    });
    child.once('exit', () => reject(new Error(log)));
  });
  return { process: child, url };
}

type Body = Partial<{ id: string; type: string; reason: string; coupon: UserCoupon }>;

async function ask(path: string, user: number, body = {}) {
  const headers = { authorization: `Bearer ${user}`, 'content-type': 'application/json' };
  const response = await fetch(`${shop.url}/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return { user, status: response.status, body: (await response.json()) as Body };
}

const rowsOf = (): Promise<{ user: bigint; code: string; source: string; state: string }[]> =>
  prisma.$queryRaw`SELECT user_id AS "user", code, source, state FROM coupons WHERE campaign_id = 'launch' ORDER BY code`;

test('300 of 1,500 buyers get a coupon and its row, and each other one hears that nothing is left', async () => {
  const buyers = Array.from({ length: BUYERS }, (_, i) => ask('launch/coupons', i + 1, { source: 'mail' }));
  const answers = await Promise.all(buyers);
  const issued = answers.filter(({ status }) => status === 201);
  assert.equal(issued.length, STOCK);
  assert.equal(answers.filter(({ status }) => status === 409).length, BUYERS - STOCK);
  const told = issued.map(({ user, body }) => ({
    user: BigInt(user),
    code: String(body.coupon?.code),
    source: 'mail',
  }));
  assert.deepEqual(
    (await rowsOf()).map(({ user, code, source }) => ({ user, code, source })),
    told.sort((a, b) => (a.code < b.code ? -1 : 1)),
  );
});

test('a user that the shop does not have is refused alone, and its unit goes back', async () => {
  await launch.restock({ add: 1, requestId: 'one-more' });
  const { status, body } = await ask('launch/coupons', 9_999);
  assert.deepEqual([status, body.type, body.reason], [403, '/problems/not_eligible', 'unknown_user']);
  assert.equal((await launch.inspect()).available, 1);
});

test('an order and its coupon are committed together, once, or neither is', async () => {
  const [row] = await rowsOf();
  assert.ok(row);
  const [user, code] = [Number(row.user), row.code];
  const orderOf = async (buyer: number) => (await ask('orders', buyer)).body.id;
  const first = await orderOf(user);
  const checkouts = await Promise.all([1, 2, 3].map(() => ask(`orders/${first}/checkout`, user, { code })));
  assert.deepEqual(
    checkouts.map(({ status, body }) => [status, body.coupon?.code]),
    [1, 2, 3].map(() => [200, code]),
  );
  const second = await orderOf(user);
  const again = await ask(`orders/${second}/checkout`, user, { code });
  const stranger = user === 1 ? 2 : 1;
  const foreign = await ask(`orders/${await orderOf(stranger)}/checkout`, stranger, { code });
  const notOwn = await ask(`orders/${second}/checkout`, stranger, { code });
  assert.deepEqual([again.body.type, foreign.body.type], ['/problems/already_redeemed', '/problems/not_found']);
  assert.equal(notOwn.status, 404);
  const paid = await prisma.order.findMany({ where: { couponCode: { not: null } } });
  assert.deepEqual(
    paid.map(({ id, couponCode }) => [id, couponCode]),
    [[first, code]],
  );
  assert.equal((await rowsOf()).filter(({ state }) => state === 'redeemed').length, 1);
});

test('SIGTERM under 20 open event streams and 100 calls in flight: exit code 0, and nothing is lost', async () => {
  await launch.restock({ add: 99, requestId: 'hundred' });
  const streams = [];
  for (let user = 1; user <= 20; user++) {
    assert.equal((await ask('line/places', user)).status, 202);
    const headers = { authorization: `Bearer ${user}` };
    const { body } = await fetch(`${shop.url}/line/events`, { headers });
    const reader = body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('"status":"waiting"')) text += (await reader.read()).value;
    streams.push(reader);
  }
  const before = (await rowsOf()).length;
  const calls = Array.from({ length: 100 }, (_, i) => ask('launch/coupons', 1_501 + i));
  const exited = once(shop.process, 'exit');
  await Promise.race(calls);
  shop.process.kill('SIGTERM');
  // A call that finds the server closed has no answer, and took nothing.
  const answers = (await Promise.allSettled(calls)).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  for (const reader of streams) {
    for (let done = false; !done; ) ({ done } = await reader.read());
  }
  assert.deepEqual(await exited, [0, null]);
  const codes = answers.filter(({ status }) => status === 201).map(({ body }) => String(body.coupon?.code));
  const rows = new Set((await rowsOf()).map(({ code }) => code));
  assert.ok(codes.length > 0);
  assert.deepEqual([rows.size - before, codes.filter((code) => !rows.has(code))], [codes.length, []]);
  assert.deepEqual(
    answers.filter(({ status }) => ![201, 503].includes(status)),
    [],
  );
  // What the shop left in Redis is what its rows say.
  const { available, reserved } = await launch.inspect();
  assert.deepEqual([available, reserved], [100 - codes.length, 0]);
});
