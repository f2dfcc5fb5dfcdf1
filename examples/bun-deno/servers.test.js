import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import pg from 'pg';

const { scripts } = (await import('./package.json', { with: { type: 'json' } })).default;
const HERE = fileURLToPath(new URL('.', import.meta.url));
const BIN = fileURLToPath(new URL('node_modules/.bin', import.meta.url));
let children = [];

/** A server as `npm run start:…` starts it, and what it prints. */
async function start(runtime, settings = {}) {
  const [command, ...args] = scripts[`start:${runtime}`].split(' ');
  const env = { ...process.env, PATH: `${BIN}:${process.env.PATH}`, PORT: '0', RATE: '0', ...settings };
  const child = spawn(command, args, { cwd: HERE, env });
  const exited = once(child, 'close');
  children.push({ child, exited });
  const server = { output: '', exited, signal: (name) => child.kill(name) };
  const port = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        server.output += data;
        const [, found] = /listening on port (\d+)/.exec(server.output) ?? [];
        if (found) resolve(found);
      });
    }
    exited.then(() => reject(new Error(`${runtime} ended: ${server.output}`)));
  });
  const url = `http://127.0.0.1:${await port}/coupons`;
  const as = (user) => ({ authorization: `Bearer ${user}` });
  server.get = (path, user, init = {}) => fetch(`${url}${path}`, { headers: as(user), ...init });
  server.post = (path, user, { headers, ...init } = {}) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { ...as(user), 'content-type': 'application/json', ...headers },
      ...init,
    });
  return server;
}

/** The same answer as Node gives: what a client may lean on does not depend on the runtime. */
const problemOf = async (response) => {
  const { type, status } = await response.json();
  return [response.status, status, type, response.headers.get('content-type'), response.headers.get('cache-control')];
};

const redis = new Redis(process.env.REDIS_URL, { lazyConnect: true });
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });

for (const runtime of ['bun', 'deno']) {
  describe(`on ${runtime}`, () => {
    beforeEach(() => redis.flushall());
    afterEach(async () => {
      for (const { child, exited } of children) {
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
        await exited;
      }
      children = [];
      await pool.query('DROP TABLE IF EXISTS coupon_issuances');
    });

    test('a coupon is issued once, found again by its Idempotency-Key, and shown by the status', async () => {
      const server = await start(runtime);
      const click = { headers: { 'idempotency-key': 'click' } };
      const first = await server.post('/launch/issue', 'kim', click);
      assert.equal(first.status, 201);
      const body = await first.json();
      assert.match(body.coupon.code, /^[0-9A-Z]{13}$/);
      assert.deepEqual(await (await server.post('/launch/issue', 'kim', click)).json(), { ...body, replayed: true });
      const status = await (await server.get('/launch/status', 'kim')).json();
      assert.deepEqual(status, { status: 'issued', coupons: [body.coupon] });
      const head = await server.get('/launch/status', 'kim', { method: 'HEAD' });
      assert.deepEqual([head.status, await head.text()], [200, '']);
    });

    test('the first 1,000 of 1,500 buyers get a row each', async () => {
      const server = await start(runtime);
      const buyers = Array.from({ length: 1_500 }, (_, i) => server.post('/launch/issue', `u${i}`));
      const bodies = await Promise.all((await Promise.all(buyers)).map((response) => response.json()));
      const codes = bodies.filter(({ status }) => status === 'issued').map(({ coupon }) => coupon.code);
      assert.equal(bodies.filter(({ type }) => type === '/problems/sold_out').length, 500);
      const { rows } = await pool.query('SELECT code FROM coupon_issuances');
      assert.equal(rows.length, 1_000);
      assert.deepEqual(rows.map(({ code }) => code).sort(), codes.sort());
    });

    test('a large body, a form, a stranger and a made-up campaign are refused as Node refuses them', async () => {
      const server = await start(runtime);
      const http = (status) => [status, status, 'about:blank', 'application/problem+json', 'no-store'];
      const large = await server.post('/launch/issue', 'kim', { body: ' '.repeat(4_097) });
      assert.deepEqual(await problemOf(large), http(413));
      // A body that has no end until it is answered.
      let isAnswered = false;
      const endless = new ReadableStream({
        async pull(controller) {
          await nextTurn();
          if (isAnswered) controller.close();
          else controller.enqueue(new Uint8Array(1_024).fill(32));
        },
      });
      const flood = await server.post('/launch/issue', 'kim', { body: endless, duplex: 'half' });
      isAnswered = true;
      assert.deepEqual(await problemOf(flood), http(413));
      const form = await server.post('/launch/issue', 'kim', { headers: { 'content-type': 'text/plain' }, body: '{}' });
      assert.deepEqual(await problemOf(form), http(415));
      assert.deepEqual(await problemOf(await server.post('/launch/issue', '')), http(401));
      const [, , type] = await problemOf(await server.post('/made-up/issue', 'kim'));
      assert.equal(type, '/problems/unknown_campaign');
      assert.equal((await pool.query('SELECT FROM coupon_issuances')).rowCount, 0);
    });

    test('a user in line hears the coupon in the event stream, and the stream ends', async () => {
      const server = await start(runtime, { RATE: '100' });
      const joined = await server.post('/line/join', 'kim');
      assert.deepEqual([joined.status, joined.headers.get('location')], [202, 'status']);
      const stream = await server.get('/line/events', 'kim');
      assert.equal(stream.headers.get('content-type'), 'text/event-stream; charset=utf-8');
      assert.match(await stream.text(), /id: final\ndata: \{"status":"issued","coupon":\{.*"code":"[0-9A-Z]{13}"/);
      const again = await server.get('/line/events', 'kim', {
        headers: { authorization: 'Bearer kim', 'last-event-id': 'final' },
      });
      assert.equal(again.status, 204);
    });

    test('a page that is closed gives its event stream back', async () => {
      const server = await start(runtime);
      await server.post('/line/join', 'kim');
      const pages = await Promise.all(
        Array.from({ length: 6 }, async () => {
          const page = new AbortController();
          const stream = await server.get('/line/events', 'kim', { signal: page.signal });
          assert.equal(stream.status, 200);
          return page;
        }),
      );
      assert.equal((await server.get('/line/events', 'kim')).status, 429);
      pages[0].abort();
      for (;;) {
        const { status, body } = await server.get('/line/events', 'kim');
        if (status === 200) break;
        await body.cancel();
      }
    });

    for (const signal of ['SIGTERM', 'SIGINT']) {
      test(`${signal} ends 20 open event streams, and the server exits with 0`, async () => {
        const server = await start(runtime);
        const streams = [];
        for (let i = 0; i < 20; i++) {
          await (await server.post('/line/join', `u${i}`)).json();
          streams.push(await server.get('/line/events', `u${i}`));
        }
        server.signal(signal);
        for (const stream of streams) assert.match(await stream.text(), /^: watching\n\ndata: \{"status":"waiting"/);
        assert.deepEqual(await server.exited, [0, null], server.output);
        assert.doesNotMatch(server.output, /Error/);
      });
    }
  });
}

test.after(async () => {
  redis.disconnect();
  await pool.end();
});
