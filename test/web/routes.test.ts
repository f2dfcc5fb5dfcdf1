import type { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CouponIssuer } from '../../src/index.js';
import { InvalidArgumentError } from '../../src/index.js';
import { handler, nodeHandler } from '../../src/web/index.js';
import { mockIssuer, mockRedis } from '../mock/support.js';
import { own } from '../support/checks/own.js';
import { fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { expectGuarded, expectProblem, FORMS, fetchShop, get, post, type Shop } from './support.js';

let issuer: CouponIssuer;
let persistence: ScriptedPersistence;
let redis: Redis;
let now: Date;
beforeEach(async () => {
  persistence = new ScriptedPersistence();
  redis = mockRedis();
  issuer = mockIssuer({ redis, persistence });
  const { campaign } = await issuer
    .campaign('launch')
    .open({ stock: { kind: 'counted', total: 3, generateCodes: true } });
  now = campaign.opensAt ?? new Date();
  await issuer
    .campaign('line')
    .open({ stock: { kind: 'counted', total: 9, generateCodes: true }, admission: 'queued' });
});
afterEach(() => issuer.close());

const key = (name: string) => ({ headers: { 'idempotency-key': name } });
// biome-ignore lint/suspicious/noExplicitAny: whatever the routes say
const json = async (response: Response): Promise<any> => response.json();

describe.each(FORMS)('%s of the routes', (_, open) => {
  const opened = async (options: Parameters<typeof open>[1] = {}): Promise<Shop> => own(open(issuer, options));

  test('issues a coupon, and shows of it what its user needs alone', async () => {
    const { ask } = await opened();
    const response = await post(ask, '/launch/issue');
    expect(response.status).toBe(201);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(new URL(response.headers.get('location')!, 'http://shop.test/coupons/launch/issue').pathname).toBe(
      '/coupons/launch/status',
    );
    expectGuarded(response);
    expect(await json(response)).toEqual({
      status: 'issued',
      coupon: {
        ...{ serial: 1, grant: 1, code: expect.any(String), state: 'issued' },
        issuedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      },
    });
    expect(await json(await get(ask, '/launch/status'))).toMatchObject({ status: 'issued', coupons: [{ serial: 1 }] });
    expect(await json(await post(ask, '/launch/issue'))).toMatchObject({
      status: 'already_issued',
      coupons: [{ serial: 1 }],
    });
  });

  test('finds the coupon of a repeat by its Idempotency-Key, for each user alone', async () => {
    const { ask } = await opened();
    const first = await json(await post(ask, '/launch/issue', key('a')));
    expect(await json(await post(ask, '/launch/issue', key('a')))).toEqual({ ...first, replayed: true });
    const other = await json(await post(ask, '/launch/issue', { user: 'lee', ...key('a') }));
    expect(other).toMatchObject({ status: 'issued', coupon: { serial: 2 } });
    expect(other.replayed).toBeUndefined();
  });

  test('refuses an Idempotency-Key that is empty, long, or has other characters', async () => {
    const { ask } = await opened();
    for (const name of ['', 'x'.repeat(129), 'a b', 'a, a', 'caf\u00e9', '\ttab\tbed']) {
      await expectProblem(await post(ask, '/launch/issue', key(name)), 400);
      await expectProblem(await post(ask, '/line/join', key(name)), 400);
    }
    expect(persistence.saves).toEqual([]);
    expect((await post(ask, '/launch/issue', key('x'.repeat(128)))).status).toBe(201);
  });

  test('answers a refusal with its problem and its Retry-After', async () => {
    const { ask } = await opened();
    for (const user of ['a', 'b', 'c']) expect((await post(ask, '/launch/issue', { user })).status).toBe(201);
    await expectProblem(await post(ask, '/launch/issue', { user: 'late' }), 409, '/problems/sold_out');
    await issuer.campaign('launch').pause();
    const paused = await post(ask, '/launch/issue', { user: 'late' });
    expect(paused.headers.get('location')).toBeNull();
    expect(paused.headers.get('retry-after')).toBe('5');
    await expectProblem(paused, 503, '/problems/paused');
    await expectProblem(await post(ask, '/line/issue'), 409, '/problems/campaign_conflict');
    await expectProblem(await post(ask, '/launch/join'), 409, '/problems/campaign_conflict');
  });

  test('gives a place in line, shows it, and takes it back', async () => {
    const { ask } = await opened();
    const joined = await post(ask, '/line/join', key('j'));
    expect([joined.status, joined.headers.get('location')]).toEqual([202, 'status']);
    const place = { status: 'waiting', ticket: 1, position: 1, etaMs: null };
    expect(await json(joined)).toEqual(place);
    expect(await json(await get(ask, '/line/status'))).toEqual({ ...place, coupons: [] });
    expect(await json(await post(ask, '/line/leave'))).toEqual({ status: 'left' });
    expect(await json(await get(ask, '/line/status'))).toEqual({ status: 'none', coupons: [] });
  });

  test('shows no code before the row is committed', async () => {
    const { ask } = await opened();
    const away = fails(new Error('the database went away'));
    persistence.next(away, away, away, away);
    const response = await post(ask, '/launch/issue');
    expect(response.status).toBe(202);
    expect(await json(response)).toMatchObject({ status: 'accepted', coupon: { code: null, state: 'reserved' } });
  });

  test('answers 401 to a request without a user, and asks Redis nothing', async () => {
    const { ask } = await opened();
    for (const verb of ['issue', 'join', 'leave']) {
      await expectProblem(await post(ask, `/launch/${verb}`, { user: null }), 401);
    }
    for (const verb of ['status', 'events']) {
      await expectProblem(await get(ask, `/launch/${verb}`, { user: null }), 401);
    }
    expect(persistence.saves).toEqual([]);
  });

  test('awaits the user, and refuses an id that no user has', async () => {
    const { ask } = await opened({ userOf: async (name) => (name === 'odd' ? '' : `shop-${name}`) });
    await expectProblem(await post(ask, '/launch/issue', { user: 'odd' }), 400, '/problems/invalid_argument');
    expect((await post(ask, '/launch/issue', { user: 'kim' })).status).toBe(201);
    expect((await issuer.campaign('launch').userStatus({ userId: 'shop-kim' })).status).toBe('issued');
  });

  test('tells a user of another type to onError, as a fault of the shop', async () => {
    const heard: unknown[] = [];
    const { ask } = await opened({
      userOf: async () => 7 as unknown as string,
      onError: (error, { status }) => heard.push([(error as Error).message, status]),
    });
    await expectProblem(await post(ask, '/launch/issue'), 500);
    expect(heard).toEqual([['the answer of user must be a string, not number', 500]]);
  });

  test('serves the campaigns that are named, or that a function says yes to with true', async () => {
    const staff = await opened({ campaigns: ['line'] });
    await expectProblem(await post(staff.ask, '/launch/issue'), 404, '/problems/unknown_campaign');
    const asked: string[] = [];
    const { ask } = await opened({
      campaigns: (id, user) => {
        asked.push(`${id} ${user}`);
        return user === 'kim';
      },
    });
    await expectProblem(await post(ask, '/launch/issue', { user: 'lee' }), 404, '/problems/unknown_campaign');
    expect((await post(ask, '/launch/issue')).status).toBe(201);
    expect(asked).toEqual(['launch lee', 'launch kim']);
    const later = await opened({ campaigns: async () => false });
    await expectProblem(await post(later.ask, '/launch/issue', { user: 'lee' }), 404, '/problems/unknown_campaign');
  });

  test('says which methods a path has, without asking for the user or the campaign', async () => {
    const { ask } = await opened({ userOf: () => Promise.reject(new Error('the sessions are away')) });
    const [posts, gets] = ['POST, OPTIONS', 'GET, HEAD, OPTIONS'];
    const paths = { issue: posts, join: posts, leave: posts, status: gets, events: gets };
    for (const [verb, allow] of Object.entries(paths)) {
      const options = await ask(`/made-up/${verb}`, { method: 'OPTIONS' });
      expect([options.status, options.headers.get('allow'), await options.text()]).toEqual([204, allow, '']);
      expectGuarded(options);
      for (const method of ['PUT', 'PATCH', 'DELETE', allow === posts ? 'GET' : 'POST']) {
        const wrong = await ask(`/launch/${verb}`, { method });
        expect(wrong.headers.get('allow')).toBe(allow);
        await expectProblem(wrong, 405);
      }
    }
  });

  test('answers HEAD as GET, without the body, and opens no stream for it', async () => {
    const { ask } = await opened({ maxStreamsPerUser: 1 });
    const head = await ask('/launch/status', { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([200, 'application/json', '']);
    for (let i = 0; i < 3; i++) {
      const events = await ask('/line/events', { method: 'HEAD' });
      expect([events.status, await events.text()]).toEqual([200, '']);
      expect(events.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    }
    const unknown = await ask('/made-up/status', { method: 'HEAD' });
    expect([unknown.status, await unknown.text()]).toEqual([404, '']);
    expect((await ask('/launch/issue', { method: 'HEAD' })).status).toBe(405);
  });

  test('answers 404 to every path that is no route', async () => {
    const { ask } = await opened();
    const paths = [
      '/',
      '/launch',
      '/launch/',
      '/launch/issue/',
      '/launch/redeem',
      '/launch/open',
      '//issue',
      '/launch/Issue',
    ];
    for (const path of [...paths, '/launch/constructor', '/launch/__proto__', '/x/launch/issue']) {
      await expectProblem(await post(ask, path), 404);
    }
    expect(persistence.saves).toEqual([]);
  });

  test('decodes the campaign of a path once', async () => {
    const { ask } = await opened();
    expect((await post(ask, '/la%75nch/issue')).status).toBe(201);
    for (const path of [
      '/la%2575nch/issue',
      '/%ZZ/issue',
      '/%ff/issue',
      '/a%2Fb/issue',
      '/launch%00/issue',
      '/%/issue',
    ]) {
      await expectProblem(await post(ask, path), 404, '/problems/unknown_campaign');
    }
  });

  test('lives under a path of its own', async () => {
    const { ask } = await opened({ basePath: '/api/coupons' });
    expect((await post(ask, '/api/coupons/launch/issue?source=mail')).status).toBe(201);
    for (const path of ['/launch/issue', '/api/coupons-launch/issue', '/api/coupons', '/api/coupons//launch/issue']) {
      await expectProblem(await post(ask, path), 404);
    }
  });

  test('takes data from a body by the option alone, and picks it', async () => {
    const plain = await opened();
    const body = '{"source":"mail","admin":true}';
    expect((await post(plain.ask, '/launch/issue', { body })).status).toBe(201);
    const { ask } = await opened({ data: ({ source = 'none' }) => ({ source: String(source) }) });
    expect((await post(ask, '/launch/issue', { user: 'lee', body })).status).toBe(201);
    expect((await post(ask, '/launch/issue', { user: 'max' })).status).toBe(201);
    const rows = await persistence.rows('launch');
    expect(rows.map((row) => (row as { data?: unknown }).data)).toEqual([
      undefined,
      { source: 'mail' },
      { source: 'none' },
    ]);
  });

  test('refuses data with the words of the option, and hides every other error of it', async () => {
    const heard: unknown[] = [];
    const secret = new Error('a secret of the shop');
    const { ask } = await opened({
      data: ({ source }) => {
        if (source === 'bad') throw new InvalidArgumentError('source is unknown', { argument: 'source' });
        if (source === 'broken') throw secret;
        return { source: 'x'.repeat(2_000) };
      },
      onError: (...all) => heard.push(all),
    });
    const bad = await post(ask, '/launch/issue', { body: '{"source":"bad"}' });
    expect(await bad.clone().json()).toMatchObject({ detail: 'source is unknown' });
    await expectProblem(bad, 400, '/problems/invalid_argument');
    await expectProblem(await post(ask, '/launch/issue', { body: '{}' }), 400, '/problems/invalid_argument');
    expect(heard).toEqual([]);
    const broken = await post(ask, '/launch/issue', { body: '{"source":"broken"}' });
    expect(await broken.clone().text()).not.toContain('secret');
    const instance = await expectProblem(broken, 500);
    expect(heard).toEqual([[secret, { instance, status: 500 }]]);
  });

  test('hides an error of the shop, whichever code it has, and tells it to onError', async () => {
    const heard: unknown[] = [];
    const errors = [
      new Error('at /srv/shop/session.js:1'),
      Object.assign(new Error('closed'), { code: 'CLOSED' }),
      new InvalidArgumentError('the token of the session is no text', { argument: 'token' }),
      { status: 'issued', issuance: { code: 'SECRET' } },
      null,
    ];
    for (const thrown of errors) {
      const { ask } = await opened({ userOf: () => Promise.reject(thrown), onError: (error) => heard.push(error) });
      const response = await post(ask, '/launch/issue');
      expect(await response.clone().text()).not.toMatch(/session|SECRET|issued/);
      await expectProblem(response, 500);
    }
    expect(heard).toEqual(errors);
    const { ask } = await opened({
      campaigns: () => {
        throw errors[0];
      },
      onError: () => {
        throw new Error('the log is full');
      },
    });
    await expectProblem(await post(ask, '/launch/issue'), 500);
  });

  test('answers an error of the library with its problem, and tells onError from 500 on', async () => {
    const heard: unknown[] = [];
    const { ask } = await opened({ campaigns: ['launch', 'nobody'], onError: (error) => heard.push(error) });
    await expectProblem(await post(ask, '/nobody/issue'), 404, '/problems/unknown_campaign');
    expect(heard).toEqual([]);
    await issuer.close();
    const closed = await post(ask, '/launch/issue');
    expect(closed.headers.get('retry-after')).toBe('1');
    await expectProblem(closed, 503, '/problems/shutting_down');
    expect(heard).toEqual([expect.objectContaining({ code: 'CLOSED' })]);
  });

  test('tells onError of a campaign that Redis lost, and not of one that is paused', async () => {
    const heard: unknown[] = [];
    const { ask } = await opened({ onError: (error, { status }) => heard.push([(error as Error).message, status]) });
    await issuer.campaign('launch').pause();
    await expectProblem(await post(ask, '/launch/issue'), 503, '/problems/paused');
    expect(heard).toEqual([]);
    await redis.flushall();
    for (const [id, verb] of [
      ['launch', 'issue'],
      ['line', 'join'],
    ]) {
      const lost = await post(ask, `/${id}/${verb}`);
      expect(lost.headers.get('retry-after')).toBe('5');
      expect(await lost.clone().json()).toMatchObject({ reason: 'missing' });
      await expectProblem(lost, 503, '/problems/not_ready');
      expect(heard.pop()).toEqual([expect.stringMatching(`campaign ${id} in Redis is missing.*rebuild`), 503]);
    }
  });

  test('refuses a body that is no JSON object of 4,096 bytes at most', async () => {
    const { ask } = await opened();
    for (const body of ['{"a": secret}', '{', '[]', '7', 'null', '"a"', new Uint8Array([123, 0xff, 125])]) {
      for (const path of ['/launch/issue', '/line/join', '/line/leave']) {
        const response = await post(ask, path, { body });
        expect(await response.clone().text()).not.toContain('secret');
        await expectProblem(response, 400);
      }
    }
    const padded = (length: number) => `{}${' '.repeat(length - 2)}`;
    await expectProblem(await post(ask, '/launch/issue', { body: padded(4_097) }), 413);
    expect(persistence.saves).toEqual([]);
    expect((await post(ask, '/launch/issue', { body: padded(4_096) })).status).toBe(201);
    expect((await post(ask, '/launch/issue', { user: 'lee', body: '' })).status).toBe(201);
  });

  test('a client that hangs up ends its waiting, and not the commit', async () => {
    const heard: unknown[] = [];
    const { ask } = await opened({ onError: (error) => heard.push(error) });
    const [reached, end] = [persistence.reached(), persistence.hold()];
    const leaving = new AbortController();
    const answer = post(ask, '/launch/issue', { signal: leaving.signal }).then(
      ({ status }) => status,
      () => 499,
    );
    await reached;
    leaving.abort();
    expect(await answer).toBe(499);
    end();
    await issuer.idle();
    expect((await issuer.campaign('launch').userStatus({ userId: 'kim' })).status).toBe('issued');
    expect(heard).toEqual([]);
  });
});

test('a fetch handler answers a request that is aborted while its body stays open, and does nothing', async () => {
  const answer = handler(issuer, { campaigns: ['launch', 'line'], user: () => 'kim' });
  const paths = ['/launch/issue', '/line/join'].flatMap((path) => ['{', '{}', ''].map((sent) => [path, sent] as const));
  for (const [path, sent] of paths) {
    const leaving = new AbortController();
    let isClosed = false;
    const body = new ReadableStream({
      start: (controller) => void (sent && controller.enqueue(new TextEncoder().encode(sent))),
      pull: () => void setImmediate(() => leaving.abort()),
      cancel: () => {
        isClosed = true;
      },
    });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, duplex: 'half' as const };
    const request = new Request(`http://shop.test${path}`, { ...init, body, signal: leaving.signal });
    expect((await answer(request)).status).toBe(499);
    expect(isClosed).toBe(true);
  }
  expect((await issuer.campaign('line').userStatus({ userId: 'kim' })).status).toBe('none');
  expect(persistence.saves).toEqual([]);
});

test('the user of a fetch handler may come from the second argument', async () => {
  const answer = handler<{ session: string | null }>(issuer, {
    campaigns: ['launch'],
    user: (_request, { session }) => session,
  });
  const request = () => new Request('http://shop.test/launch/status');
  expect((await answer(request(), { session: 'kim' })).status).toBe(200);
  expect((await answer(request(), { session: null })).status).toBe(401);
});

test('a body that was read before the handler is a fault of the server, and nothing is issued', async () => {
  const heard: unknown[] = [];
  const answer = handler(issuer, { campaigns: ['launch'], user: () => 'kim', onError: (error) => heard.push(error) });
  const headers = { 'content-type': 'application/json' };
  const request = new Request('http://shop.test/launch/issue', { method: 'POST', headers, body: '{}' });
  await request.text();
  await expectProblem(await answer(request), 500);
  expect(String(heard[0])).toContain('was read before the handler; nothing was issued');
  expect(persistence.saves).toEqual([]);
});

test.each([
  ['no options', undefined],
  ['no campaigns', { user: () => 'kim' }],
  ['campaigns that are text', { user: () => 'kim', campaigns: 'launch' }],
  ['a campaign that no id is', { user: () => 'kim', campaigns: ['a b'] }],
  ['no user', { campaigns: [] }],
  ['a user that is no function', { user: 'kim', campaigns: [] }],
  ['an option that does not exist', { user: () => 'kim', campaigns: [], campaign: [] }],
  ['a base path with a slash at its end', { user: () => 'kim', campaigns: [], basePath: '/coupons/' }],
  ['a base path without a slash', { user: () => 'kim', campaigns: [], basePath: 'coupons' }],
  ['no room for a stream', { user: () => 'kim', campaigns: [], maxStreams: 0 }],
  ['no room for a stream of a user', { user: () => 'kim', campaigns: [], maxStreamsPerUser: 0.5 }],
  ['comments all the time', { user: () => 'kim', campaigns: [], keepAliveMs: 1 }],
  ['data that is no function', { user: () => 'kim', campaigns: [], data: true }],
  ['an observer that is no function', { user: () => 'kim', campaigns: [], onError: 'log' }],
] as [string, unknown][])('a handler with %s is refused when it is made', (_, options) => {
  expect(() => handler(issuer, options as never)).toThrow(InvalidArgumentError);
  expect(() => nodeHandler(issuer, options as never)).toThrow(InvalidArgumentError);
});

test('a campaign that is not open yet says when to come back', async () => {
  const opensAt = new Date(now.getTime() + 3_600_000);
  await issuer.campaign('soon').open({ stock: { kind: 'unlimited' }, opensAt });
  const { ask } = fetchShop(issuer, { campaigns: ['soon'] });
  const response = await post(ask, '/soon/issue');
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(3_000);
  expect(await response.clone().json()).toMatchObject({ opensAt: opensAt.toISOString() });
  await expectProblem(response, 403, '/problems/not_open');
});
