import { createHash } from 'node:crypto';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest';
import { dashboard } from '../../src/dashboard/index.js';
import { type CouponEvent, CouponIssuer, type Issuance, MemoryPersistence, NotSavedError } from '../../src/index.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { type Desk, FORMS, fetchDesk, nodeDesk, PEOPLE } from './support.js';

const CODE = 'SECRET-CODE-7788';
let server: RedisServer;
let redis: Redis;
let issuer: CouponIssuer;
let rows: MemoryPersistence;
let events: CouponEvent[];
let desk: Desk;
let round = 0;
let isFailing = false;

class Failing extends MemoryPersistence {
  override async save(...args: Parameters<MemoryPersistence['save']>) {
    if (isFailing) throw new NotSavedError('refused');
    return super.save(...args);
  }
}

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  isFailing = false;
  events = [];
  rows = new Failing();
  const onEvent = (event: CouponEvent) => events.push(event);
  issuer = new CouponIssuer({ redis, persistence: rows, prefix: `desk-${++round}`, onEvent });
  await issuer.campaign('night').open({ stock: { kind: 'counted', total: 10 } });
});
afterEach(async () => {
  await desk?.stop();
  await issuer.close();
});

const audits = () => events.filter(({ type }) => type === 'audit');
const night = { campaignId: 'night' };
/** Every change, with a body that would make it. */
const CHANGES: [verb: string, body: object][] = [
  ['pause', night],
  ['resume', night],
  ['pace', { ...night, savesPerSecond: 5 }],
  ['update', { ...night, perUser: 2, requestId: 'two each' }],
  ['restock', { ...night, add: 5, requestId: 'five' }],
  ['quarantine-retry', { ...night, all: true }],
  ['quarantine-withdraw', { ...night, all: true }],
  ['close', night],
];
/** A row of a table that has no end. */
const endlessRow = (serial: number): Issuance => ({
  ...{ id: `id-${serial}`, campaignId: 'night', userId: `user-${serial}`, grant: 1, serial, code: null },
  ...{ issuedAt: new Date(0), epoch: '1-a', state: 'issued' },
});
const json = async (answer: Promise<Response>) => (await answer).json() as Promise<Record<string, never>>;
const commands = async () => Number(/^total_commands_processed:(\d+)/m.exec(await redis.info('stats'))![1]);

describe.each(FORMS)('the dashboard in %s', (_, open) => {
  const on = async (...of: Parameters<typeof open> extends [unknown, ...infer R] ? R : never) => {
    desk = await open(issuer, ...of);
    return desk.ask;
  };

  test('shows the page to a person that is known, with a policy for its script and style alone', async () => {
    const ask = await on();
    const answer = await ask('/', { method: 'GET' });
    const html = await answer.text();
    const policy = answer.headers.get('content-security-policy')!;
    expect(answer.status).toBe(200);
    for (const [tag, rule] of [
      ['script', 'script-src'],
      ['style', 'style-src'],
    ] as const) {
      const text = new RegExp(`<${tag}[^>]*>(.*)</${tag}>`, 's').exec(html)![1]!;
      const hash = createHash('sha256').update(text).digest('base64');
      expect(policy).toContain(`${rule} 'sha256-${hash}'`);
    }
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(html.replace(/(<script[^>]*>).*(?=<\/script>)/s, '$1')).not.toMatch(/\son\w+=|src=|href="(?!data:)/);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
    });
    expect((await ask('/', { method: 'HEAD' })).status).toBe(200);
    expect((await ask('/', { method: 'GET', person: null })).status).toBe(401);
  });

  test('answers nobody without a person, and asks Redis nothing', async () => {
    const ask = await on();
    const before = await commands();
    for (const verb of [
      'overview',
      'live',
      'campaign',
      'find',
      'workers',
      'quarantine',
      'codes',
      'tally',
      'reconcile',
      ...CHANGES.map(([one]) => one),
    ]) {
      expect([verb, (await ask(`/api/${verb}`, { person: null, body: night })).status]).toEqual([verb, 401]);
    }
    expect((await commands()) - before).toBe(1);
  });

  test('takes a throw and an odd answer of authorize for a refusal', async () => {
    const odd: unknown[] = [
      ...[undefined, true, 'kim', {}, { role: 'admin', name: 'kim' }, { role: 'write' }, { role: 'write', name: '' }],
      ...[{ role: 'write', name: 'k\nim' }, { role: ['write'], name: 'kim' }, new Error('no')],
    ];
    let given: unknown;
    const ask = await on({
      personOf: () => {
        if (given instanceof Error) throw given;
        return Promise.resolve(given);
      },
    });
    for (given of odd) {
      const answer = await ask('/api/pause', { body: night });
      expect([given, answer.status]).toEqual([given, 403]);
      expect(await answer.text()).not.toContain('"no"');
    }
    expect(desk.faults.length).toBe(odd.length);
    expect(await issuer.campaign('night').inspect()).toMatchObject({ state: 'open' });
    given = PEOPLE.kim;
    expect((await ask('/api/pause', { body: night })).status).toBe(200);
  });

  test('lets a reader read, and change nothing', async () => {
    const ask = await on();
    const before = await issuer.campaign('night').inspect();
    for (const [verb, body] of CHANGES) {
      expect([verb, (await ask(`/api/${verb}`, { person: 'lee', body })).status]).toEqual([verb, 403]);
    }
    expect(await issuer.campaign('night').inspect()).toEqual(before);
    expect(audits()).toEqual([]);
    expect(await json(ask('/api/overview', { person: 'lee' }))).toMatchObject({
      me: PEOPLE.lee,
      campaigns: [{ id: 'night', state: 'open', total: 10 }],
    });
    expect(await json(ask('/api/campaign', { person: 'lee', body: night }))).toMatchObject({
      id: 'night',
      available: 10,
    });
  });

  test('makes each change of an operator, and tells it with the name', async () => {
    const ask = await on();
    for (const [verb, body] of CHANGES) {
      expect([verb, await json(ask(`/api/${verb}`, { body }))]).toEqual([
        verb,
        expect.objectContaining({ done: true }),
      ]);
    }
    expect(audits()).toEqual(
      CHANGES.map(([verb]) => ({
        type: 'audit',
        action: verb.replace('-', '_'),
        campaignId: 'night',
        by: 'kim',
        done: true,
      })),
    );
    expect(await issuer.campaign('night').inspect()).toMatchObject({
      state: 'closed',
      total: 15,
      perUser: 2,
      pace: { savesPerSecond: 5 },
    });
    const refused = await ask('/api/pause', { body: night });
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ detail: expect.stringContaining('closed') });
    expect(audits().at(-1)).toMatchObject({ action: 'pause', done: false });
  });

  test('refuses a page of another site, and tells no audit of it', async () => {
    const ask = await on();
    const forged: [headers: Record<string, string>, status: number][] = [
      [{ 'x-coupon-issuer': '' }, 403],
      [{ 'x-coupon-issuer': 'yes' }, 403],
      [{ 'content-type': 'text/plain' }, 415],
      [{ 'content-type': 'application/x-www-form-urlencoded' }, 415],
      [{ origin: 'http://evil.test' }, 403],
      [{ origin: 'null' }, 403],
      [{ origin: 'http://desk.test.evil.test' }, 403],
    ];
    for (const [headers, status] of forged) {
      for (const verb of ['pause', 'overview']) {
        const answer = await ask(`/api/${verb}`, { headers, body: verb === 'pause' ? night : {} });
        expect([headers, answer.status]).toEqual([headers, status]);
        expect(answer.headers.get('access-control-allow-origin')).toBeNull();
      }
    }
    expect((await ask('/api/pause', { method: 'GET' })).status).toBe(405);
    expect((await ask('/api/pause', { method: 'OPTIONS' })).status).toBe(405);
    expect(await issuer.campaign('night').inspect()).toMatchObject({ state: 'open' });
    expect(audits()).toEqual([]);
  });

  test('checks each input before it asks Redis', async () => {
    const ask = await on();
    const bad: [verb: string, body: unknown][] = [
      ['overview', { campaignId: 'night' }],
      ['live', { campaignId: 'a b' }],
      ['live', { ...night, more: 1 }],
      ['campaign', {}],
      ['campaign', { campaignId: '../night' }],
      ['campaign', { campaignId: ['night'] }],
      ['campaign', { ...night, more: 1 }],
      ['workers', night],
      ['quarantine', {}],
      ['codes', {}],
      ['tally', { ...night, more: 1 }],
      ['find', {}],
      ['find', { userId: 'kim', code: 'x' }],
      ['find', { userId: '' }],
      ['find', { serial: 1 }],
      ['find', { serial: '1', ...night }],
      ['find', { serial: 0, ...night }],
      ['find', { code: 'x', campaignId: 'a b' }],
      ['reconcile', { ...night, repair: 'safe' }],
      ['pause', {}],
      ['pause', { ...night, all: true }],
      ['pace', { ...night, savesPerSecond: '5' }],
      ['restock', { ...night, add: 1.5, requestId: 'x' }],
      ['restock', { ...night, add: 1 }],
      ['update', { ...night, perUser: 2 }],
      ['update', { ...night, requestId: 'nothing' }],
      ['close', { ...night, retainMs: 0 }],
      ['quarantine-retry', night],
      ['quarantine-withdraw', { ...night, ids: 'all' }],
      ['pause', '{'],
      ['pause', '[]'],
      ['pause', JSON.stringify({ campaignId: 'x'.repeat(5_000) })],
    ];
    const before = await commands();
    for (const [verb, body] of bad) {
      const answer = await ask(`/api/${verb}`, { body });
      expect([verb, body, [400, 413].includes(answer.status)]).toEqual([verb, body, true]);
    }
    expect((await commands()) - before).toBe(1);
    expect(audits()).toEqual([]);
    expect((await ask('/api/purge', { body: night })).status).toBe(404);
    expect((await ask('/api/constructor')).status).toBe(404);
  });

  test('finds a user, a unit and a code, and shows no code', async () => {
    await issuer.campaign('codes').open({ stock: { kind: 'codes' } });
    await issuer.campaign('codes').loadCodes([CODE]);
    await issuer.campaign('codes').issue({ userId: 'user-1' });
    const ask = await on();
    const story = { campaignId: 'codes', userId: 'user-1', serial: 1, code: '****7788', state: 'issued' };
    for (const person of ['kim', 'lee']) {
      for (const body of [
        { code: CODE },
        { code: CODE, campaignId: 'codes' },
        { userId: 'user-1' },
        { serial: 1, campaignId: 'codes' },
        { userId: 'user-1', campaignId: 'codes' },
      ]) {
        const answer = await ask('/api/find', { person, body });
        const text = await answer.text();
        expect([body, JSON.parse(text).coupons]).toEqual([body, [expect.objectContaining(story)]]);
        expect(text).not.toContain(CODE);
        expect(text).not.toContain(CODE.slice(0, 8));
      }
    }
    expect(await json(ask('/api/find', { body: { userId: 'user-1', campaignId: 'codes' } }))).toMatchObject({
      held: { status: 'issued', issuances: [{ serial: 1, code: '****7788' }] },
    });
    expect(await json(ask('/api/find', { body: { serial: 2, campaignId: 'codes' } }))).toEqual({ coupons: [] });
    expect(await json(ask('/api/find', { body: { code: 'nowhere' } }))).toEqual({ coupons: [] });
  });

  test('compares with the database, step by step, one comparison at a time', async () => {
    for (let i = 0; i < 3; i++) await issuer.campaign('night').issue({ userId: `user-${i}` });
    const ask = await on();
    const answer = await ask('/api/reconcile', { person: 'lee', body: night });
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = (await answer.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({ report: { campaignId: 'night', rows: 3, grants: 3, quiet: true, count: 0 } });
    expect(lines.slice(0, -1).every((line) => 'progress' in line)).toBe(true);
    const unknown = await ask('/api/reconcile', { body: { campaignId: 'nowhere' } });
    expect(await unknown.json()).toEqual({ fault: 'UnknownCampaignError' });
    expect((await ask('/api/reconcile', { body: night })).status).toBe(200);
  });

  describe('answers a second comparison with 429 and a time to come again, until the first one', () => {
    const endless = ({ afterSerial, limit }: { afterSerial: number; limit: number }) =>
      Array.from({ length: limit }, (_, i) => endlessRow(afterSerial + i + 1));
    let list: MockInstance<MemoryPersistence['list']>;
    let ask: Desk['ask'];
    const compare = (signal?: AbortSignal) => ask('/api/reconcile', { person: 'lee', body: night, signal });
    const isFree = () =>
      vi.waitFor(
        async () => {
          const answer = await compare();
          await answer.body!.cancel();
          expect(answer.status).toBe(200);
        },
        { timeout: 2_000 },
      );

    beforeEach(async () => {
      list = vi.spyOn(rows, 'list').mockImplementation(async (_campaign, options) => {
        await setImmediate();
        return endless(options);
      });
      ask = await on();
    });
    afterEach(() => list.mockRestore());

    test('loses its reader', async () => {
      const first = await compare();
      for (const person of ['lee', 'kim']) {
        const second = await ask('/api/reconcile', { person, body: night });
        expect([second.status, second.headers.get('retry-after')]).toEqual([429, '5']);
        expect(await second.text()).toContain('a comparison runs already');
      }
      await first.body!.cancel();
      await isFree();
    });

    test('is aborted with its request', async () => {
      const client = new AbortController();
      const first = await compare(client.signal);
      let isOver = false;
      const over = () => {
        isOver = true;
      };
      void first.text().then(over, over);
      expect((await compare()).status).toBe(429);
      client.abort();
      await isFree();
      await vi.waitFor(() => expect(isOver).toBe(true));
    });

    test('fails', async () => {
      list.mockRejectedValue(new Error('the database is away'));
      expect(await json(compare())).toEqual({ fault: 'HookError' });
      expect(await json(compare())).toEqual({ fault: 'HookError' });
    });
  });
});

test('lists the quarantine, retries and withdraws', async () => {
  desk = fetchDesk(issuer);
  await issuer.close();
  issuer = new CouponIssuer({ redis, persistence: rows, prefix: `desk-${round}`, maxTries: 1 });
  desk = fetchDesk(issuer);
  const campaign = issuer.campaign('behind');
  await campaign.open({ stock: { kind: 'counted', total: 5 }, saveMode: 'write-behind' });
  isFailing = true;
  await campaign.issue({ userId: 'user-1' });
  await campaign.issue({ userId: 'user-2' });
  await campaign.settle();
  const behind = { campaignId: 'behind' };
  const page = (await json(desk.ask('/api/quarantine', { person: 'lee', body: behind }))) as unknown as {
    more: boolean;
    reservations: { id: string; userId: string }[];
  };
  expect(page).toMatchObject({ more: false });
  expect(page.reservations.map(({ userId }) => userId).sort()).toEqual(['user-1', 'user-2']);
  const [first, second] = page.reservations.map(({ id }) => id);
  expect(await json(desk.ask('/api/quarantine-retry', { body: { ...behind, ids: [first] } }))).toMatchObject({
    retried: 1,
  });
  expect(await json(desk.ask('/api/quarantine-withdraw', { body: { ...behind, ids: [second] } }))).toMatchObject({
    withdrawn: 1,
  });
  expect(await campaign.inspect()).toMatchObject({ quarantined: 0, withdrawn: 1 });
});

test('counts the rows of a campaign when it is asked, once for all that ask, and says where it cannot', async () => {
  for (let i = 0; i < 3; i++) await issuer.campaign('night').issue({ userId: `user-${i}` });
  const [coupon] = await issuer.coupons({ userId: 'user-1' });
  await issuer.campaign('night').redeem({ userId: 'user-1', id: coupon!.id, redemptionId: 'order-1' });
  let counts = 0;
  rows.count = async (...args) => {
    counts++;
    return MemoryPersistence.prototype.count.apply(rows, args);
  };
  desk = fetchDesk(issuer);
  const answers = await Promise.all([1, 2, 3].map(() => json(desk.ask('/api/tally', { person: 'lee', body: night }))));
  expect(answers).toEqual(answers.map(() => ({ tally: expect.objectContaining({ issued: 2, redeemed: 1 }) })));
  expect(counts).toBe(1);
  await desk.ask('/api/tally', { body: night });
  expect(counts).toBe(2);
  const { save, find } = MemoryPersistence.prototype;
  const persistence = { save: save.bind(rows), find: find.bind(rows) };
  desk = fetchDesk(new CouponIssuer({ redis, persistence, prefix: `desk-${round}` }));
  expect(await json(desk.ask('/api/tally', { body: night }))).toEqual({ tally: null });
});

test('answers the hosts that are named, and no name that was bound to the server later', async () => {
  const at = await nodeDesk(issuer, { hosts: ['admin.test'] });
  desk = at;
  const statusFor = (host: string) =>
    new Promise<number>((resolve, reject) => {
      const headers = { host, 'x-person': 'kim' };
      const done = (response: IncomingMessage) => {
        response.resume();
        resolve(response.statusCode!);
      };
      httpGet({ port: at.port, host: '127.0.0.1', path: '/', headers }, done).on('error', reject);
    });
  expect(await statusFor('evil.test')).toBe(403);
  expect(await statusFor(`127.0.0.1:${at.port}`)).toBe(403);
  expect(await statusFor('admin.test.evil.test')).toBe(403);
  expect(await statusFor('Admin.Test')).toBe(200);
});

test('a page of a named host asks, also behind a proxy that changes the host', async () => {
  desk = fetchDesk(issuer, { hosts: ['desk.test', 'admin.test'] });
  const from = async (origin: string) => (await desk.ask('/api/overview', { headers: { origin } })).status;
  expect(await from('https://admin.test')).toBe(200);
  expect(await from('https://other.test')).toBe(403);
});

test('many pages read the list of campaigns once', async () => {
  let reads = 0;
  const campaigns = () => {
    reads++;
    return issuer.campaigns();
  };
  desk = fetchDesk({
    id: issuer.id,
    campaign: (id) => issuer.campaign(id),
    campaigns,
    coupons: (request) => issuer.coupons(request),
    findByCode: (request) => issuer.findByCode(request),
    workers: () => issuer.workers(),
    audit: (entry) => issuer.audit(entry),
  });
  const answers = await Promise.all(Array.from({ length: 20 }, () => json(desk.ask('/api/overview'))));
  expect(answers.map(({ campaigns: seen }) => seen)).toEqual(
    answers.map(() => [expect.objectContaining({ id: 'night' })]),
  );
  expect(reads).toBe(1);
});

test('refuses options that would leave it open', () => {
  const bad: [options: object, text: string][] = [
    [{}, 'authorize'],
    [{ authorize: true }, 'authorize'],
    [{ authorize: () => null, hosts: [] }, 'hosts'],
    [{ authorize: () => null, hosts: ['http://a.test'] }, 'hosts[0]'],
    [{ authorize: () => null, basePath: 'admin' }, 'basePath'],
    [{ authorize: () => null, open: true }, 'open'],
    [{ authorize: () => null, onError: 1 }, 'onError'],
  ];
  for (const [options, text] of bad) expect(() => dashboard(issuer, options as never)).toThrow(text);
});

test('an audit entry of another page is checked, and told as it is', () => {
  const entry = { campaignId: 'night', action: 'pause', by: 'kim', done: true };
  issuer.audit(entry);
  expect(audits()).toEqual([{ type: 'audit', ...entry }]);
  for (const odd of [
    { campaignId: 'a b' },
    { by: '' },
    { by: 'k\nim' },
    { action: 7 },
    { done: 'yes' },
    { code: 'X' },
  ]) {
    expect(() => issuer.audit({ ...entry, ...odd } as never)).toThrow(/campaignId|by|action|done|code/);
  }
  expect(audits()).toHaveLength(1);
});
