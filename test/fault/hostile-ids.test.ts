import fc from 'fast-check';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Campaign, CouponIssuer, MemoryPersistence } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { SEED } from '../support/checks/lengths.js';
import { dump } from '../support/scenes/campaigns.js';
import {
  allRefused,
  cases,
  hostileName,
  hostileText,
  isName,
  isText,
  notAText,
  wordOf,
} from '../support/scenes/hostile.js';
import { issueNamed } from '../support/scenes/named.js';
import { rowsIn } from '../support/scenes/postgres-books.js';
import { CountingClient } from '../support/servers/counting-client.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ID = 'launch';
const UNLIMITED = { kind: 'unlimited' } as const;

let server: RedisServer;
let redis: Redis;
let database: Database;
let counting: CountingClient;
let generated = 0;

beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  redis = server.client();
});
afterAll(async () => {
  await Promise.all([server?.stop(), database?.stop()]);
  process.stdout.write(`hostile ids: seed=${SEED} cases=${generated}\n`);
});
beforeEach(async () => {
  await redis.flushall();
  counting = new CountingClient(redis);
});

function generate<T>(arbitrary: fc.Arbitrary<T>, count: number): T[] {
  generated += count;
  return cases(arbitrary, count);
}

/** Runs what must be refused, and proves that nothing was sent and nothing changed. */
async function untouched(refuse: () => Promise<unknown>): Promise<void> {
  const before = await dump(redis);
  const sentBefore = counting.sent;
  await refuse();
  expect(counting.sent - sentBefore, 'calls sent to Redis').toBe(0);
  expect(await dump(redis)).toEqual(before);
}

const distinct = <T>(values: readonly T[]) => [...new Set(values)];

async function opened(
  issuer: CouponIssuer,
  kind: 'unlimited' | 'codes' = 'unlimited',
  perUser = 1,
): Promise<CouponIssuer> {
  await issuer.campaign(ID).open({ stock: { kind }, perUser });
  return issuer;
}

test('a user id is refused before any I/O, or is kept as it is, one grant each', async () => {
  const issuer = await opened(new CouponIssuer({ redis: counting }));
  const ids = generate(fc.oneof({ weight: 4, arbitrary: hostileText }, { weight: 1, arbitrary: notAText }), 30_000);
  const bad = ids.filter((id) => !isText(id)) as string[];
  await untouched(() => allRefused(bad, (userId) => issuer.campaign(ID).issue({ userId })));
  await untouched(() => allRefused(bad, (userId) => issuer.campaign(ID).userStatus({ userId })));

  const good = ids.filter(isText);
  for (let first = 0; first < good.length; first += 5_000) {
    const asked = good.slice(first, first + 5_000);
    const results = await Promise.all(asked.map((userId) => issuer.campaign(ID).issue({ userId })));
    for (const [i, result] of results.entries()) {
      const [issuance] =
        result.status === 'issued' ? [result.issuance] : result.status === 'already_issued' ? result.issuances : [];
      expect(issuance?.userId).toBe(asked[i]);
    }
  }
  const fields = (await redis.hkeys(`{coupon:${ID}}:grants`)).sort();
  expect(fields).toEqual(
    distinct(good)
      .map((userId) => `1:${userId}`)
      .sort(),
  );
  for (const userId of distinct(good).slice(0, 3_000)) {
    expect((await issuer.campaign(ID).userStatus({ userId })).issuances).toMatchObject([{ userId, grant: 1 }]);
  }
  expect(bad.length).toBeGreaterThan(5_000);
  expect(distinct(good).length).toBeGreaterThan(8_000);
});

test('a request id is refused before any I/O, or names one attempt of one user and no other', async () => {
  const issuer = await opened(new CouponIssuer({ redis: counting }), 'unlimited', 100);
  const ids = generate(fc.oneof({ weight: 9, arbitrary: hostileText }, { weight: 1, arbitrary: notAText }), 14_000);
  const bad = ids.filter((id) => !isText(id)) as string[];
  await untouched(() => allRefused(bad, (requestId) => issuer.campaign(ID).issue({ userId: 'ann', requestId })));

  const good = distinct(ids.filter(isText));
  const owner = new Map<string, string>();
  const ask = async (requestId: string, i: number) => {
    const userId = `user-${Math.floor(i / 100)}`;
    const result = await issuer.campaign(ID).issue({ userId, requestId });
    if (result.status !== 'issued') throw new Error(`${JSON.stringify(requestId)} was told ${result.status}`);
    return result.issuance.id;
  };
  const first = await Promise.all(good.map(ask));
  good.forEach((requestId, i) => {
    owner.set(first[i]!, requestId);
  });
  expect(owner.size, 'no two request ids share an attempt').toBe(good.length);
  const repeated = good.slice(0, 2_000);
  expect(await Promise.all(repeated.map(ask))).toEqual(first.slice(0, repeated.length));
  expect(await issuer.campaign(ID).inspect()).toMatchObject({ issued: good.length });
});

test('user id and request id never flow into each other', async () => {
  const issuer = await opened(new CouponIssuer({ redis: counting }), 'unlimited', 100);
  const words = ['a', ':', '"', ','].flatMap((a) =>
    ['', 'a', ':', '"', ','].flatMap((b) => [a + b, `${a + b}a`, `${a + b}:`]),
  );
  const names = distinct(words);
  const asks = names.flatMap((userId) => names.map((requestId) => ({ campaignId: ID, userId, requestId })));
  generated += asks.length;
  const results = await Promise.all(asks.map((ask) => issueNamed(issuer, ask)));
  const ids = results.map((result) => (result.status === 'issued' ? result.issuance.id : result.status));
  expect(distinct(ids).length).toBe(asks.length);
});

test('a code is refused before any I/O, or is handed out as it is, once', async () => {
  const issuer = await opened(new CouponIssuer({ redis: counting }), 'codes');
  const codes = generate(fc.oneof({ weight: 9, arbitrary: hostileText }, { weight: 1, arbitrary: notAText }), 25_000);
  const bad = codes.filter((code) => !isText(code)) as string[];
  await issuer.campaign(ID).loadCodes(['first']);
  await untouched(() => allRefused(bad, (code) => issuer.campaign(ID).loadCodes(['good', code])));
  await untouched(() => allRefused(bad, (code) => issuer.campaign(ID).replaceCode({ code, replacement: 'good' })));
  await untouched(() =>
    allRefused(bad, (replacement) => issuer.campaign(ID).replaceCode({ code: 'first', replacement })),
  );

  const good = codes.filter(isText);
  const expected = distinct(['first', ...good]);
  const loaded = await issuer.campaign(ID).loadCodes(good, { asTheyAre: true });
  expect(loaded).toMatchObject({
    read: good.length,
    resumedAt: 0,
    loaded: expected.length - 1,
    duplicates: good.length - expected.length + 1,
    total: expected.length,
  });
  const users = expected.map((_, i) => `user-${i}`);
  const handedOut: (string | null)[] = [];
  for (let first = 0; first < users.length; first += 5_000) {
    const asks = users.slice(first, first + 5_000).map((userId) => issuer.campaign(ID).issue({ userId }));
    for (const result of await Promise.all(asks)) handedOut[serialOf(result) - 1] = codeOf(result);
  }
  expect(handedOut).toEqual(expected);
});

const codeOf = (result: Awaited<ReturnType<Campaign['issue']>>) =>
  result.status === 'issued' ? result.issuance.code : null;
const serialOf = (result: Awaited<ReturnType<Campaign['issue']>>) =>
  result.status === 'issued' ? result.issuance.serial : Number.NaN;

test('the name of a load, and of a restock, is refused before any I/O, or means itself alone', async () => {
  const issuer = await opened(new CouponIssuer({ redis: counting }), 'codes');
  await issuer.campaign('counted').open({ stock: { kind: 'counted', total: 5 } });
  const names = generate(fc.oneof({ weight: 9, arbitrary: hostileText }, { weight: 1, arbitrary: notAText }), 6_000);
  const bad = names.filter((name) => !isText(name)) as string[];
  await untouched(() => allRefused(bad, (loadId) => issuer.campaign(ID).loadCodes(['good'], { loadId })));
  await untouched(() => allRefused(bad, (requestId) => issuer.campaign('counted').restock({ add: 1, requestId })));

  const good = distinct(names.filter(isText));
  const load = (loadId: string, i: number) =>
    issuer.campaign(ID).loadCodes([`code-${i}`, `code-${i}-more`], { loadId });
  for (const result of await Promise.all(good.map(load))) expect(result).toMatchObject({ loaded: 2, duplicates: 0 });
  const again = { read: 2, loaded: 0, duplicates: 0, resumedAt: 2 };
  for (const result of await Promise.all(good.map(load))) expect(result).toMatchObject(again);
  expect(await issuer.campaign(ID).inspect()).toMatchObject({ total: 2 * good.length, available: 2 * good.length });
  const restock = (requestId: string) => issuer.campaign('counted').restock({ add: 1, requestId });
  await Promise.all(good.map(restock));
  await Promise.all(good.map(restock));
  expect(await issuer.campaign('counted').inspect()).toMatchObject({ total: 5 + good.length });
  for (const id of [ID, 'counted'])
    expect(await issuer.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
});

test('the id of a campaign, and a prefix, is refused before any I/O, or has keys of its own', async () => {
  const issuer = new CouponIssuer({ redis: counting });
  const names = generate(fc.oneof({ weight: 4, arbitrary: hostileName }, { weight: 1, arbitrary: notAText }), 14_000);
  const bad = names.filter((name) => !isName(name)) as string[];
  const calls: ((id: string) => Promise<unknown>)[] = [
    (id) => issuer.campaign(id).open({ stock: UNLIMITED }),
    (campaignId) => issuer.campaign(campaignId).issue({ userId: 'ann' }),
    (id) => issuer.campaign(id).inspect(),
    (id) => issuer.campaign(id).purge(),
    (id) => issuer.campaign(id).rebuild({ stock: UNLIMITED }),
    (prefix) => (async () => new CouponIssuer({ redis: counting, prefix }))(),
  ];
  for (const call of calls) await untouched(() => allRefused(bad, call));

  const good = distinct(names.filter(isName)).slice(0, 1_500);
  const other = new CouponIssuer({ redis: counting, prefix: 'other' });
  await Promise.all(good.map((id) => issuer.campaign(id).open({ stock: UNLIMITED })));
  const asks = good.map(async (campaignId, i) => issuer.campaign(campaignId).issue({ userId: `user-${i}` }));
  for (const result of await Promise.all(asks))
    expect(result).toMatchObject({ status: 'issued', issuance: { serial: 1 } });
  expect((await redis.hkeys('coupon:registry')).sort()).toEqual([...good].sort());
  const unknown = await Promise.all(good.map((campaignId) => wordOf(() => other.campaign(campaignId).inspect())));
  expect(distinct(unknown)).toEqual(['UNKNOWN_CAMPAIGN']);
  for (const [i, prefix] of good.slice(0, 300).entries()) {
    const own = await opened(new CouponIssuer({ redis: counting, prefix }));
    expect(await own.campaign(ID).issue({ userId: `user-${i}` })).toMatchObject({ issuance: { serial: 1 } });
  }
});

test('what Redis keeps unchanged the databases keep unchanged', async () => {
  const texts = distinct(generate(hostileText, 4_000).filter(isText));
  const postgres = new PostgresPersistence(database.pool);
  await postgres.createTable();
  const memory = new MemoryPersistence();
  for (const persistence of [postgres, memory]) {
    await redis.flushall();
    const issuer = await opened(new CouponIssuer({ redis, persistence }), 'codes');
    await issuer.campaign(ID).loadCodes(texts, { asTheyAre: true });
    const results = await Promise.all(texts.map((userId) => issuer.campaign(ID).issue({ userId, requestId: userId })));
    await issuer.idle();
    const held = new Map(results.map((result, i) => [texts[i]!, codeOf(result)]));
    const rows =
      persistence === memory ? await memory.list(ID, { afterSerial: 0, limit: 1e9 }) : await rowsIn(database.pool, ID);
    expect(new Map(rows.map(({ userId, code }) => [userId, code]))).toEqual(held);
    expect(rows.map(({ code }) => code)).toEqual(texts);
    await redis.flushall();
    await issuer.campaign(ID).rebuild({ stock: { kind: 'codes' } }, { codes: texts });
    const again = await Promise.all(texts.map((userId) => issuer.campaign(ID).issue({ userId, requestId: userId })));
    expect(again.map(codeOf)).toEqual(results.map(codeOf));
    expect((await issuer.campaign(ID).reconcile()).findings).toEqual([]);
  }
});
