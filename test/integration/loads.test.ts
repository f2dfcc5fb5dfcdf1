import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, MemoryPersistence, type RedisClient } from '../../src/index.js';
import { dump } from '../support/scenes/campaigns.js';
import { openNamed, rebuildNamed } from '../support/scenes/named.js';
import { CountingClient } from '../support/servers/counting-client.js';
import { RedisServer } from '../support/servers/redis-server.js';

const pool = { id: 'launch', stock: { kind: 'codes' } } as const;
const codes = (count: number, name = 'code') => Array.from({ length: count }, (_, i) => `${name}-${i}`);
const conflict = { code: 'CAMPAIGN_CONFLICT', message: expect.stringContaining('another list') };

let server: RedisServer;
let redis: Redis;
let persistence: MemoryPersistence;
let issuer: CouponIssuer;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new MemoryPersistence();
  issuer = issuerOn(redis);
  await openNamed(issuer, pool);
});

const issuerOn = (client: RedisClient) => new CouponIssuer({ redis: client, persistence });
const inPool = async () => (await redis.lrange('{coupon:launch}:pool', 0, -1)).map((unit) => unit.replace(/^\d+:/, ''));
const load = (list: Iterable<string>, loadId = 'june') => issuer.campaign('launch').loadCodes(list, { loadId });

function* cutOff(list: readonly string[]) {
  yield* list;
  throw new Error('cut off');
}

describe('another list under the name of a load', () => {
  test.each([
    ['of the same length', (list: string[]) => list.map((code) => `${code}x`)],
    ['in another order', (list: string[]) => list.toReversed()],
    ['with its last code changed', (list: string[]) => [...list.slice(0, -1), 'other']],
    ['with one code more at its beginning', (list: string[]) => ['first', ...list]],
    ['with codes that are divided otherwise', (list: string[]) => [`${list[0]}c`, list[1]!.slice(1), ...list.slice(2)]],
    ['that is shorter', (list: string[]) => list.slice(0, -1)],
    ['that is empty', () => []],
  ])('%s is refused, and nothing is written', async (_, changed) => {
    for (const count of [3, 500, 1_300]) {
      const list = codes(count);
      await load(list, `of ${count}`);
      const before = await dump(redis);
      await expect(load(changed(list), `of ${count}`)).rejects.toMatchObject(conflict);
      expect(await dump(redis)).toEqual(before);
    }
  });

  test('is refused where the first list was cut off, and the first list goes on', async () => {
    const list = codes(1_300);
    await expect(load(cutOff(list.slice(0, 700)))).rejects.toThrow('cut off');
    await expect(load(codes(1_300, 'other'))).rejects.toMatchObject(conflict);
    expect(await load(list)).toMatchObject({ read: 1_300, loaded: 800, resumedAt: 500 });
    expect(await inPool()).toEqual(list);
  });

  test('is refused at the same time too, and the pool is of one list alone', async () => {
    const lists = ['a', 'b', 'c'].map((name) => codes(1_700, name));
    const ended = await Promise.allSettled(
      lists.map((list) => issuerOn(redis).campaign('launch').loadCodes(list, { loadId: 'june' })),
    );
    const winner = ended.findIndex(({ status }) => status === 'fulfilled');
    expect(
      ended.filter(({ status }) => status === 'rejected').map((one) => (one as PromiseRejectedResult).reason.code),
    ).toEqual(['CAMPAIGN_CONFLICT', 'CAMPAIGN_CONFLICT']);
    expect(await inPool()).toEqual(lists[winner]);
  });

  test('is a list of its own under another name', async () => {
    await load(codes(3), 'june');
    expect(await load(codes(3, 'other'), 'july')).toMatchObject({ loaded: 3, resumedAt: 0, total: 6 });
  });
});

describe('the same list under the name of its load', () => {
  test('loads nothing once it is whole, whatever it loaded then', async () => {
    await load(['a', 'b', 'a']);
    expect(await load(['a', 'b', 'a'])).toEqual({
      ...{ read: 3, loaded: 0, duplicates: 0, firstDuplicates: [], total: 2, resumedAt: 3 },
    });
  });

  test.each([1, 499, 500, 501, 999, 1_300])('may have grown at its end, from %i codes on', async (count) => {
    const list = codes(2_100);
    await load(list.slice(0, count));
    expect(await load(list)).toMatchObject({ read: 2_100, loaded: 2_100 - count, duplicates: 0, resumedAt: count });
    expect(await inPool()).toEqual(list);
  });

  test('loaded by many at once is loaded once, and each says what it added itself', async () => {
    const list = codes(2_300);
    const results = await Promise.all(
      Array.from({ length: 4 }, (_, i) =>
        issuerOn(redis)
          .campaign('launch')
          .loadCodes(list.slice(0, 2_300 - 300 * i), { loadId: 'june' })
          .catch((error) => error),
      ),
    );
    const told = results.filter((result) => !(result instanceof Error));
    expect(told.reduce((sum, { loaded }) => sum + loaded, 0)).toBe(2_300);
    // A shorter one may end after a longer one has gone on: then it is told so.
    for (const result of results.slice(told.length)) expect(result).toMatchObject(conflict);
    expect(await inPool()).toEqual(list);
  });

  test('a chunk whose reply was lost counts as loaded, with its duplicates', async () => {
    const list = [...codes(4), 'code-1', ...codes(700, 'more'), 'code-2'];
    const twice: RedisClient = {
      evalsha: async (...args: [string, number, ...string[]]) => {
        await redis.evalsha(...args);
        return redis.evalsha(...args);
      },
      eval: (...args: [string, number, ...string[]]) => redis.eval(...args),
    };
    await load(['warm']);
    const result = await issuerOn(twice).campaign('launch').loadCodes(list, { loadId: 'twice' });
    expect(result).toEqual({
      ...{ read: 706, loaded: 704, duplicates: 2, firstDuplicates: [5, 706], total: 705, resumedAt: 0 },
    });
  });
});

test('the places of duplicates are those in the source, the first 20 of them, over chunks and resumptions', async () => {
  const list = codes(1_400);
  await load([...list.slice(0, 3), ...list.slice(690, 700), ...list.slice(1_200)], 'before');
  await expect(load(cutOff(list.slice(0, 650)), 'june')).rejects.toThrow('cut off');
  const progress: { read: number; firstDuplicates: readonly number[] }[] = [];
  const result = await issuer
    .campaign('launch')
    .loadCodes(list, { loadId: 'june', onProgress: (told) => progress.push(told) });
  const firstDuplicates = [
    ...Array.from({ length: 10 }, (_, i) => 691 + i),
    ...Array.from({ length: 10 }, (_, i) => 1_201 + i),
  ];
  expect(result).toEqual({ read: 1_400, loaded: 690, duplicates: 210, firstDuplicates, total: 1_400, resumedAt: 500 });
  expect(progress.map(({ read }) => read)).toEqual([500, 1_000, 1_400]);
  expect(progress.at(1)!.firstDuplicates).toEqual(firstDuplicates.slice(0, 10));
});

test('a long list takes larger chunks, and an interrupted one goes on within them', async () => {
  const list = codes(23_400);
  const counting = new CountingClient(redis);
  await expect(
    issuerOn(counting)
      .campaign('launch')
      .loadCodes(cutOff(list.slice(0, 11_700)), { loadId: 'long' }),
  ).rejects.toThrow();
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ total: 11_000 });
  counting.sent = 0;
  expect(await issuerOn(counting).campaign('launch').loadCodes(list, { loadId: 'long' })).toMatchObject({
    loaded: 12_400,
    resumedAt: 11_000,
  });
  // One reads the campaign, one tries the rights of this process, and one reads how far the load came.
  expect(counting.sent).toBe(3 + 13);
  expect(await inPool()).toEqual(list);
});

test('an empty list loads nothing', async () => {
  expect(await load([])).toEqual({ read: 0, loaded: 0, duplicates: 0, firstDuplicates: [], total: 0, resumedAt: 0 });
});

test('a load that was under way in a rebuild is told to rebuild again with its list, which loses no code', async () => {
  const list = codes(1_300);
  async function* source() {
    yield* list.slice(0, 1_100);
    await rebuildNamed(issuer, pool, { codes: ['of the operator'] });
    yield* list.slice(1_100);
  }
  const loading = issuer.campaign('launch').loadCodes(source(), { loadId: 'june' });
  const cure = 'Rebuild it again with every code of the pool, those of this list too';
  await expect(loading).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT', message: expect.stringContaining(cure) });
  expect(await load(list)).toMatchObject({ loaded: 300, duplicates: 1_000 });
  await rebuildNamed(issuer, pool, { codes: ['of the operator', ...list] });
  expect((await inPool()).sort()).toEqual(['of the operator', ...list].sort());
});

describe('a bad code', () => {
  const BAD = ['AAA\r', 'one\ntwo', '\uFEFFAAA', ' AAA', 'AAA\u00A0', 'AAA\u200B', 'A\uFFFD', '"AAA"', 'AAA;10%;2030'];

  test.each(BAD)('%j is refused by its place before anything is written, or taken as it is', async (bad) => {
    const before = await dump(redis);
    for (const list of [['good', bad], new Set(['good', bad])]) {
      const error = await issuer
        .campaign('launch')
        .loadCodes(list)
        .catch((reason) => reason);
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('code 2 of the list') });
      expect(JSON.stringify([error, error.message])).not.toContain('AAA');
    }
    expect(await dump(redis)).toEqual(before);
    expect(await issuer.campaign('launch').loadCodes(['good', bad], { asTheyAre: true })).toMatchObject({ loaded: 2 });
    expect(await inPool()).toEqual(['good', bad]);
  });

  test.each(BAD)('%j is cured by replaceCode, which takes it as it is, and gives out no other bad one', async (bad) => {
    await issuer.campaign('launch').loadCodes([bad], { asTheyAre: true });
    const replace = (replacement: string, asTheyAre?: boolean) =>
      issuer.campaign('launch').replaceCode({ code: bad, replacement, asTheyAre });
    await expect(replace(`${bad}x\n`)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('replacement'),
    });
    expect(await replace('CURED')).toEqual({ status: 'replaced' });
    expect(await inPool()).toEqual(['CURED']);
    await issuer.campaign('launch').replaceCode({ code: 'CURED', replacement: bad, asTheyAre: true });
    // It stays known, so it is not loaded again.
    expect(await inPool()).toEqual(['CURED']);
  });

  test.each(BAD)('%j that is a row, or was known, is part of a rebuild', async (bad) => {
    await issuer.campaign('launch').loadCodes([bad, `${bad}2`, 'good'], { asTheyAre: true });
    expect(await issuer.campaign('launch').issue({ userId: 'ann' })).toMatchObject({ issuance: { code: bad } });
    await issuer.idle();
    const { campaign } = await rebuildNamed(issuer, pool, { codes: [bad, `${bad}2`, 'good'] });
    expect(campaign).toMatchObject({ issued: 1, available: 2 });
    expect(await inPool()).toEqual([`${bad}2`, 'good']);
  });

  test('that neither the database nor Redis knows ends a rebuild by its place, and is taken as it is', async () => {
    await issuer.campaign('launch').loadCodes(['AAA', 'BBB']);
    await issuer.campaign('launch').issue({ userId: 'ann' });
    await issuer.idle();
    await redis.flushall();
    // The list as Windows wrote it, split at the wrong place: the code of ann would be given out a second time.
    const error = await rebuildNamed(issuer, pool, { codes: ['AAA\r', 'BBB\r'] }).catch((reason) => reason);
    expect(error).toMatchObject({ code: 'CAMPAIGN_CONFLICT', message: expect.stringContaining('code 1 of the list') });
    expect(await issuer.campaign('launch').issue({ userId: 'bob' })).toMatchObject({ status: 'not_ready' });
    const { campaign } = await rebuildNamed(issuer, pool, { codes: ['AAA', 'BBB', 'C\r'], asTheyAre: true });
    expect(campaign).toMatchObject({ issued: 1, available: 2 });
    expect(await inPool()).toEqual(['BBB', 'C\r']);
  });
});

test('each load is listed once, with how far its list came, and a replaced code counts as retired', async () => {
  const loads = async () => {
    const found = [];
    for await (const one of issuer.campaign('launch').loads()) found.push(one);
    return found.sort((a, b) => a.codes - b.codes);
  };
  expect(await loads()).toEqual([]);
  await load(codes(700), 'first: of June');
  await expect(load(cutOff(codes(1_300, 'more')), '둘째')).rejects.toThrow('cut off');
  expect(await loads()).toEqual([
    { loadId: 'first: of June', codes: 700 },
    { loadId: '둘째', codes: 1_000 },
  ]);
  const change = { code: 'code-1', replacement: 'other-1' };
  await issuer.campaign('launch').replaceCode(change);
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ codesRetired: 1 });
  expect(await issuer.campaign('launch').replaceCode(change), 'a repeat').toEqual({ status: 'not_in_pool' });
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ total: 1_700, codesRetired: 1 });
  const many = Array.from({ length: 600 }, (_, i) => [`load:of ${i}`, `${i}:x:y:0:`]).flat();
  await redis.hset('{coupon:launch}:campaign', ...many);
  expect(await loads()).toHaveLength(602);
  await rebuildNamed(issuer, pool, { codes: codes(700) });
  expect(await loads()).toEqual([]);
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ total: 700, codesRetired: 1_001 });
  await openNamed(issuer, { id: 'counted', stock: { kind: 'counted', total: 1 } });
  await expect(issuer.campaign('counted').loads().next()).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
});
