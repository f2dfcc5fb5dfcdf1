import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { generateCodes } from '../../src/model/codes.js';
import { installed } from '../support/actors/installed.js';
import { Database } from '../support/servers/database.js';
import { ownPort } from '../support/servers/port.js';
import { RedisServer } from '../support/servers/redis-server.js';

let dir: string;
let server: RedisServer;
let database: Database;
beforeAll(async () => {
  dir = installed('examples/express');
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
});
afterAll(async () => {
  await Promise.all([server.stop(), database.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says
  readonly body: any;
}

interface Call {
  readonly headers?: Record<string, string>;
  /** Text and bytes are sent as they are, anything else as JSON. */
  readonly body?: unknown;
}

class Example {
  readonly #child: ChildProcess;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256 });
  readonly exited: Promise<number | null>;
  port = 0;
  output = '';

  constructor(env: Record<string, string>) {
    const { PATH = '' } = process.env;
    this.#child = spawn(process.execPath, ['server.js'], { cwd: dir, env: { PATH, PORT: '0', ...env } });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (data: Buffer) => {
        this.output += data;
      });
    }
    this.exited = new Promise((resolve) => this.#child.once('close', resolve));
  }

  static async start(redis = server): Promise<Example> {
    const example = new Example({ REDIS_URL: `redis://127.0.0.1:${redis.port}`, DATABASE_URL: database.url });
    example.port = await new Promise<number>((resolve, reject) => {
      example.#child.stdout!.on('data', () => {
        const port = /listening on port (\d+)/.exec(example.output)?.[1];
        if (port) resolve(Number(port));
      });
      example.exited.then(() => reject(new Error(`the example ended: ${example.output}`)));
    });
    return example;
  }

  call(method: string, path: string, { headers = {}, body }: Call = {}): Promise<Answer> {
    const raw = body === undefined || typeof body === 'string' || body instanceof Buffer;
    return new Promise((resolve, reject) => {
      const req = request(
        {
          ...{ agent: this.#agent, host: '127.0.0.1', port: this.port, method, path },
          headers: { ...(!raw && { 'content-type': 'application/json' }), ...headers },
        },
        (res) => {
          let text = '';
          res.on('data', (data: Buffer) => {
            text += data;
          });
          res.once('error', reject);
          res.once('end', () =>
            resolve({ status: res.statusCode!, headers: res.headers, body: text === '' ? null : JSON.parse(text) }),
          );
        },
      );
      req.once('error', reject);
      req.end(raw ? body : JSON.stringify(body));
    });
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.call('GET', path, { headers });
  }

  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    return this.call('POST', path, { body, ...(headers && { headers }) });
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.signal('SIGKILL');
    await this.exited;
  }
}

/** The token of a login is the name of its user. */
const as = (user: string, headers: Record<string, string> = {}) => ({ authorization: `Bearer ${user}`, ...headers });
/** As a page of the shop asks for a coupon. */
const issueAs = (example: Example, id: string, user: string, headers: Record<string, string> = {}) =>
  example.post(`/coupons/${id}/issue`, {}, as(user, headers));

let campaigns = 0;
const nextId = () => `c${++campaigns}`;

function expectProblem(answer: Answer, status: number, type: string): void {
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(answer.body).toMatchObject({
    type,
    status,
    title: expect.any(String),
    detail: expect.any(String),
    instance: expect.stringMatching(/^urn:uuid:/),
  });
}

describe('the Express example', () => {
  let example: Example;
  beforeAll(async () => {
    example = await Example.start();
  });
  afterAll(async () => {
    await example.stop();
  });

  async function open(definition: Record<string, unknown> = {}): Promise<string> {
    const campaign = { id: nextId(), stock: { kind: 'counted', total: 10 }, ...definition };
    const answer = await example.post('/campaigns', campaign);
    expect(answer.status).toBe(201);
    return campaign.id;
  }

  test('gives 1,000 codes to the first 1,000 of 1,500 buyers', async () => {
    const id = await open({ stock: { kind: 'codes' } });
    const codes = generateCodes({ count: 1000 });
    const loaded = await example.post(`/campaigns/${id}/codes`, codes.join('\r\n'), { 'content-type': 'text/plain' });
    expect(loaded).toMatchObject({ status: 200, body: { loaded: 1000, duplicates: 0, total: 1000 } });

    const answers = await Promise.all(Array.from({ length: 1500 }, (_, i) => issueAs(example, id, `u${i}`)));
    const issued = answers.filter(({ status }) => status === 201);
    expect(issued).toHaveLength(1000);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(500);
    expect(new Set(issued.map(({ body }) => body.coupon.code))).toEqual(new Set(codes));
    const { rows } = await database.pool.query(
      'SELECT count(*)::int AS rows, count(DISTINCT code)::int AS codes, count(DISTINCT user_id)::int AS users FROM coupon_issuances WHERE campaign_id = $1',
      [id],
    );
    expect(rows[0]).toEqual({ rows: 1000, codes: 1000, users: 1000 });
    expectProblem(answers.find(({ status }) => status === 409)!, 409, '/problems/sold_out');
    const campaign = await example.get(`/campaigns/${id}`);
    expect(campaign.body).toMatchObject({ total: 1000, available: 0 });
  });

  test('a repeat under the same Idempotency-Key gets the same coupon, under another one nothing more', async () => {
    const id = await open({ stock: { kind: 'counted', total: 5, generateCodes: true } });
    const ask = (key: string) => issueAs(example, id, 'ann/1', { 'idempotency-key': key });
    const first = await ask('a');
    expect(first.status).toBe(201);
    expect(first.body.coupon.code).toEqual(expect.any(String));
    const again = await ask('a');
    expect(again).toMatchObject({ status: 201, body: first.body });
    const other = await ask('b');
    expect(other).toMatchObject({ status: 200, body: { status: 'already_issued' } });
    const { pathname } = new URL(first.headers.location as string, `http://shop.test/coupons/${id}/issue`);
    const held = await example.get(pathname, as('ann/1'));
    expect(held.body).toMatchObject({ status: 'issued', coupons: [{ code: first.body.coupon.code }] });
    expect((await example.get(pathname, as('nobody'))).body).toEqual({ status: 'none', coupons: [] });
  });

  test('a load under the same Idempotency-Key loads nothing twice', async () => {
    const id = await open({ stock: { kind: 'codes' } });
    const load = (body: unknown, key: string) =>
      example.post(`/campaigns/${id}/codes`, body, {
        'content-type': typeof body === 'string' ? 'text/plain' : 'application/json',
        'idempotency-key': key,
      });
    const list = '\nA\n B \r\n\nC';
    const whole = { read: 3, loaded: 3, duplicates: 0, firstDuplicates: [], total: 3, resumedAt: 0 };
    expect((await load(list, 'monday')).body).toEqual(whole);
    expect((await load(list, 'monday')).body).toEqual({ ...whole, loaded: 0, resumedAt: 3 });
    const more = { read: 2, loaded: 1, duplicates: 1, firstDuplicates: [1], total: 4, resumedAt: 0 };
    expect((await load(['C', 'D'], 'tuesday')).body).toEqual(more);
    expectProblem(await load(['D', 'E'], 'tuesday'), 409, '/problems/campaign_conflict');
  });

  test('opening again with the same definition is no fault, with another one it is', async () => {
    const definition = { id: nextId(), stock: { kind: 'counted', total: 1 }, closesAt: '2100-01-01T00:00:00Z' };
    expect(await example.post('/campaigns', definition)).toMatchObject({ status: 201, body: { status: 'opened' } });
    const again = await example.post('/campaigns', definition);
    expect(again).toMatchObject({ status: 200, body: { campaign: { closesAt: '2100-01-01T00:00:00.000Z' } } });
    const other = await example.post('/campaigns', { ...definition, perUser: 2 });
    expectProblem(other, 409, '/problems/campaign_conflict');
  });

  test('no answer stays in a cache, whether it carries a code or a refusal', async () => {
    const id = await open();
    const answers = [
      await issueAs(example, id, 'ann'),
      await example.get(`/coupons/${id}/status`, as('ann')),
      await example.get('/coupons/%ZZ/status', as('ann')),
      await example.get('/campaigns/%ZZ'),
    ];
    for (const { headers } of answers) expect(headers['cache-control']).toBe('no-store');
  });

  test('outside of its window a campaign says when to come back, or that it is over', async () => {
    const opensAt = new Date(Date.now() + 3_600_000);
    const early = await open({ opensAt: opensAt.toISOString() });
    const notOpen = await issueAs(example, early, 'u');
    expectProblem(notOpen, 403, '/problems/not_open');
    expect(Number(notOpen.headers['retry-after'])).toBeGreaterThan(3_500);
    expect(Number(notOpen.headers['retry-after'])).toBeLessThanOrEqual(3_600);
    expect(notOpen.body.opensAt).toBe(opensAt.toISOString());

    const id = await open();
    expect((await example.post(`/campaigns/${id}/pause`)).status).toBe(204);
    const paused = await issueAs(example, id, 'u');
    expectProblem(paused, 503, '/problems/paused');
    expect(paused.headers['retry-after']).toBe('5');
    expect((await example.post(`/campaigns/${id}/resume`)).status).toBe(204);
    expect((await issueAs(example, id, 'u')).status).toBe(201);
    expect((await example.post(`/campaigns/${id}/close`)).status).toBe(204);
    const closed = await issueAs(example, id, 'late');
    expectProblem(closed, 410, '/problems/closed');
    expect(closed.body.closedAt).toEqual(expect.any(String));
    expect(closed.headers['retry-after']).toBeUndefined();
  });

  test('bad input is answered with a problem, and nothing is taken', async () => {
    const id = await open();
    const coupons = `/coupons/${id}/issue`;
    for (const code of [7, ['u'], { a: 1 }, null, '', 'x'.repeat(129), 'a\0b', '\ud800']) {
      const { headers } = await example.post('/orders', { campaignId: id, code }, as('u'));
      const paid = await example.post(`${headers.location}/payment`, {}, as('u'));
      expectProblem(paid, 400, '/problems/invalid_argument');
      // No body names a user.
      expectProblem(await example.post(coupons, { userId: code }), 401, 'about:blank');
    }
    expectProblem(await example.post(coupons, {}, as('x'.repeat(129))), 400, '/problems/invalid_argument');
    expectProblem(await example.post(coupons, undefined, as('u')), 415, 'about:blank');
    expectProblem(await example.post(coupons, [], as('u')), 400, 'about:blank');
    const json = { 'content-type': 'application/json' };
    const malformed = await example.post(coupons, '{"userId": secret', as('u', json));
    expectProblem(malformed, 400, 'about:blank');
    expect(JSON.stringify(malformed.body)).not.toContain('secret');
    const longKey = as('u', { 'idempotency-key': 'x'.repeat(129) });
    expectProblem(await example.post(coupons, {}, longKey), 400, 'about:blank');
    expectProblem(
      await example.post('/campaigns', { id: 'a b', stock: { kind: 'unlimited' } }),
      400,
      '/problems/invalid_argument',
    );
    // A time without an offset would be one of the server's zone, and the 30th of February another day.
    for (const opensAt of ['soon', '2100-01-01T10:00:00', 'May 1 2100', '2100-02-30T00:00:00Z', '1', 1, null]) {
      expectProblem(
        await example.post('/campaigns', { id: nextId(), stock: { kind: 'unlimited' }, opensAt }),
        400,
        '/problems/invalid_argument',
      );
    }
    expectProblem(
      await example.post('/campaigns', { id: nextId(), stock: { kind: 'unlimited' }, prUser: 1 }),
      400,
      '/problems/invalid_argument',
    );
    expectProblem(await example.post(`/campaigns/${id}/codes`, ['A']), 409, '/problems/campaign_conflict');
    expectProblem(await example.post(`/campaigns/${id}/codes`, { codes: ['A'] }), 415, 'about:blank');
    const pool = await open({ stock: { kind: 'codes' } });
    expectProblem(await example.post(`/campaigns/${pool}/codes`, ['A', 1]), 400, '/problems/invalid_argument');
    const latin1 = Buffer.from('caf\xe9\n', 'latin1');
    expectProblem(
      await example.post(`/campaigns/${pool}/codes`, latin1, { 'content-type': 'text/plain' }),
      400,
      'about:blank',
    );
    expect((await example.get(`/campaigns/${pool}`)).body).toMatchObject({ total: 0 });
    expect((await example.get(`/campaigns/${id}`)).body).toMatchObject({ available: 10, reserved: 0, issued: 0 });
  });

  test('a list without line ends, or in another encoding, is refused after its first pieces, however long it is', async () => {
    const pool = await open({ stock: { kind: 'codes' } });
    const send = (piece: Buffer) =>
      new Promise<{ status: number | null; sent: number }>((resolve, reject) => {
        const path = `/campaigns/${pool}/codes`;
        const headers = { 'content-type': 'text/plain' };
        const req = request({ host: '127.0.0.1', port: example.port, method: 'POST', path, headers, agent: false });
        let sent = 0;
        let answered = false;
        const more = () => {
          while (!answered && sent < 400) {
            sent++;
            if (!req.write(piece)) return void req.once('drain', more);
          }
          if (!answered) req.end();
        };
        req.on('response', (res) => {
          answered = true;
          res.resume();
          res.once('end', () => resolve({ status: res.statusCode!, sent }));
        });
        // The server does not read on, so the connection may break, even before the answer is read here.
        req.on('error', (error: NodeJS.ErrnoException) => {
          if (['EPIPE', 'ECONNRESET'].includes(error.code ?? '')) resolve({ status: null, sent });
          else reject(error);
        });
        more();
      });
    for (const piece of [Buffer.alloc(65_536, 97), Buffer.alloc(65_536, 0xe9), Buffer.alloc(65_536, '\n')]) {
      const { status, sent } = await send(piece);
      expect([400, null]).toContain(status);
      expect(sent).toBeLessThan(400);
    }
    expect((await example.get(`/campaigns/${pool}`)).body).toMatchObject({ total: 0 });
  });

  test('an array of codes that is too long to be kept is refused', async () => {
    const pool = await open({ stock: { kind: 'codes' } });
    const codes = Array.from({ length: 30_000 }, (_, i) => `${i}`.padStart(40, '0'));
    expectProblem(await example.post(`/campaigns/${pool}/codes`, codes), 413, 'about:blank');
  });

  test('what does not exist is answered with a problem', async () => {
    expectProblem(await example.get('/nowhere'), 404, 'about:blank');
    expectProblem(await example.get('/coupons/nowhere', as('u')), 404, 'about:blank');
    // The sale for the staff is open, and no user hears of it.
    const staff = await open({ id: 'staff-sale' });
    expectProblem(await issueAs(example, staff, 'u'), 404, '/problems/unknown_campaign');
    expectProblem(await example.get('/campaigns/never'), 404, '/problems/unknown_campaign');
    expectProblem(await issueAs(example, 'never', 'u'), 404, '/problems/unknown_campaign');
    expectProblem(await example.get('/campaigns/%ff'), 400, 'about:blank');
    expect((await example.get('/problems/sold_out')).body).toMatchObject({ title: 'Sold out' });
    expectProblem(await example.get('/problems/none'), 404, 'about:blank');
  });
});

describe('the checkout of the Express example', () => {
  let example: Example;
  let campaignId: string;
  let code: string;
  beforeAll(async () => {
    example = await Example.start();
  });
  afterAll(async () => {
    await example.stop();
  });
  beforeEach(async () => {
    campaignId = nextId();
    code = `CODE-${campaignId}`;
    await example.post('/campaigns', { id: campaignId, stock: { kind: 'codes' } });
    await example.post(`/campaigns/${campaignId}/codes`, [code]);
    await issueAs(example, campaignId, 'kim');
  });

  async function order(userId = 'kim'): Promise<string> {
    const answer = await example.post('/orders', { campaignId, code }, as(userId));
    expect(answer.status).toBe(201);
    return answer.headers.location as string;
  }

  const pay = (path: string, card = 'good', user = 'kim') => example.post(`${path}/payment`, { card }, as(user));
  const cancel = (path: string, user = 'kim') => example.call('DELETE', path, { headers: as(user) });

  async function stateInBox(): Promise<string> {
    const { body } = await example.get('/coupons', as('kim'));
    return body.coupons.find((coupon: { code: string }) => coupon.code === code).state;
  }

  test('redeems the coupon once, and a payment that is sent again finds its answer', async () => {
    const [mine, other] = [await order(), await order()];
    expect(await pay(mine)).toMatchObject({ status: 200, body: { status: 'paid', coupon: { code } } });
    expect((await pay(mine, 'declined')).status).toBe(200);
    expectProblem(await pay(other), 409, '/problems/already_redeemed');
    expect(await stateInBox()).toBe('redeemed');
  });

  test('gives the coupon back if the payment is refused, and another order can use it', async () => {
    const refused = await order();
    expectProblem(await pay(refused, 'declined'), 402, 'about:blank');
    expect(await stateInBox()).toBe('issued');
    expectProblem(await pay(refused), 409, '/problems/redemption_undone');
    expect((await pay(await order())).status).toBe(200);
  });

  test('gives the coupon of a cancelled order back, and takes no later payment of it', async () => {
    const [paid, unpaid] = [await order(), await order()];
    await pay(paid);
    for (const path of [paid, unpaid, paid]) expect((await cancel(path)).status).toBe(204);
    expect(await stateInBox()).toBe('issued');
    for (const path of [paid, unpaid]) expectProblem(await pay(path), 409, '/problems/redemption_undone');
  });

  test('tells nobody the coupon of another user, and no user the id of an order', async () => {
    const wrong = await order('lee');
    expectProblem(await pay(wrong, 'good', 'lee'), 404, '/problems/not_found');
    // A row that comes later could still be redeemed by a payment that is on its way, so no money goes back.
    expectProblem(await cancel(wrong, 'lee'), 404, '/problems/not_found');
    // Nor does a user pay or cancel an order of another one, or without a login.
    const other = await order('lee');
    for (const answer of [await pay(other), await cancel(other)]) expectProblem(answer, 404, 'about:blank');
    expectProblem(await example.post(`${other}/payment`, { card: 'good' }), 401, 'about:blank');
    expectProblem(await example.get('/coupons'), 401, 'about:blank');
    await pay(await order());
    const { body } = await example.get('/coupons', as('kim'));
    expect(Object.keys(body.coupons[0]).sort()).toEqual(['campaignId', 'code', 'expiresAt', 'issuedAt', 'state']);
    expect((await example.get('/coupons', as('lee'))).body).toEqual({ coupons: [] });
  });

  test('an order that does not exist is answered with a problem', async () => {
    expectProblem(await pay('/orders/none'), 404, 'about:blank');
    expectProblem(await cancel('/orders/none'), 404, 'about:blank');
  });
});

describe('a shutdown of the Express example', () => {
  let example: Example;
  beforeEach(async () => {
    example = await Example.start();
  });
  afterEach(async () => {
    await example.stop();
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'on %s answers what is in flight and ends with exit code 0',
    async (signal) => {
      const id = nextId();
      await example.post('/campaigns', { id, stock: { kind: 'counted', total: 100 } });
      const lock = await database.pool.connect();
      try {
        // The saves of all of them wait for this lock, so all of them are in flight when the signal comes.
        await lock.query('BEGIN; LOCK TABLE coupon_issuances IN EXCLUSIVE MODE');
        const answers = Promise.all(Array.from({ length: 50 }, (_, i) => issueAs(example, id, `u${i}`)));
        await expect.poll(async () => (await example.get(`/campaigns/${id}`)).body.reserved).toBe(50);
        example.signal(signal);
        await expect
          .poll(() => fetch(`http://127.0.0.1:${example.port}/campaigns/${id}`).catch(({ cause }) => cause.code))
          .toBe('ECONNREFUSED');
        await lock.query('COMMIT');
        expect((await answers).map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 201));
        expect(await example.exited).toBe(0);
        // The leases are ended too: close() waited for the confirms.
        const client = server.client();
        expect(await client.hmget(`{coupon:${id}}:campaign`, 'reserved', 'issued')).toEqual(['0', '50']);
      } finally {
        await lock.query('ROLLBACK');
        lock.release();
      }
    },
  );
});

describe('an event stream of the Express example', () => {
  let example: Example;
  beforeEach(async () => {
    example = await Example.start();
  });
  afterEach(() => example.stop());

  async function openLine(admitPerSecond: number): Promise<string> {
    const id = nextId();
    const stock = { kind: 'counted', total: 100, generateCodes: true };
    await example.post('/campaigns', { id, stock, admission: 'queued', pace: { admitPerSecond } });
    return id;
  }

  async function join(id: string, user: string): Promise<Response> {
    expect((await example.post(`/coupons/${id}/join`, {}, as(user))).status).toBe(202);
    return fetch(`http://127.0.0.1:${example.port}/coupons/${id}/events`, { headers: as(user) });
  }

  test('tells its user the coupon, and ends', async () => {
    const id = await openLine(100);
    expect(await (await join(id, 'kim')).text()).toMatch(/"status":"issued".*"code":"[0-9A-Z]{13}"/);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('ends on %s beside 19 others, and the exit code is 0', async (signal) => {
    const id = await openLine(0);
    const streams = await Promise.all(Array.from({ length: 20 }, (_, i) => join(id, `u${i}`)));
    example.signal(signal);
    for (const stream of streams) expect(await stream.text()).toMatch(/^: watching\n\ndata: \{"status":"waiting"/);
    expect(await example.exited).toBe(0);
    expect(example.output).not.toMatch(/Warning|Error/);
  });
});

test('while Redis is away the Express example answers 503 with Retry-After, and still ends cleanly', async () => {
  const redis = await RedisServer.start();
  const example = await Example.start(redis);
  try {
    const id = nextId();
    await example.post('/campaigns', { id, stock: { kind: 'counted', total: 1 } });
    await redis.stop();
    const answer = await issueAs(example, id, 'u');
    expectProblem(answer, 503, '/problems/redis');
    expect(answer.headers['retry-after']).toBe('1');
    expect(example.output).toContain(answer.body.instance);
    example.signal('SIGTERM');
    expect(await example.exited).toBe(0);
  } finally {
    await example.stop();
  }
});

describe('a server that the Express example cannot reach', () => {
  const PASSWORD = 'hunter2secret';

  test('is named in one line without its password, and ends it with exit code 1', async () => {
    const closed = await ownPort();
    const redisUrl = `redis://127.0.0.1:${server.port}`;
    const cases: [Record<string, string>, RegExp][] = [
      [
        { REDIS_URL: `redis://:${PASSWORD}@127.0.0.1:${closed}`, DATABASE_URL: database.url },
        /Redis at .*ECONNREFUSED/,
      ],
      [
        { REDIS_URL: redisUrl, DATABASE_URL: `postgres://u:${PASSWORD}@127.0.0.1:${closed}/x` },
        /PostgreSQL at .*ECONNREFUSED/,
      ],
      [{ REDIS_URL: `http://:${PASSWORD}@h`, DATABASE_URL: database.url }, /REDIS_URL must be/],
      [{ REDIS_URL: redisUrl }, /DATABASE_URL is not set/],
      [{ REDIS_URL: redisUrl, DATABASE_URL: database.url, PORT: String(server.port) }, /EADDRINUSE/],
    ];
    for (const [env, line] of cases) {
      const example = new Example(env);
      expect(await example.exited).toBe(1);
      expect(example.output).toMatch(/^[^\n]+\n$/);
      expect(example.output).toMatch(line);
      expect(example.output).not.toContain(PASSWORD);
    }
  });
});
