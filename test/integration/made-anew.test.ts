import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  CouponIssuer,
  type CouponIssuerError,
  type CouponIssuerOptions,
  type Issuance,
  MemoryPersistence,
  type RedisClient,
} from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { type NamedDefinition, openNamed, rebuildNamed, replaceCodeNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const ID = 'launch';
const COUNTED = { id: ID, stock: { kind: 'counted', total: 20 } } as const satisfies NamedDefinition;
const QUEUED = { ...COUNTED, admission: 'queued' } as const satisfies NamedDefinition;
const POOL = { id: ID, stock: { kind: 'codes' } } as const satisfies NamedDefinition;
const WITH_CODES: NamedDefinition = { id: ID, stock: { kind: 'counted', total: 20, generateCodes: true } };
let server: RedisServer;
let redis: Redis;
let operator: CouponIssuer;
/** Another process, which remembers the campaign as it met it. */
let web: CouponIssuer;

const issuerWith = (options: Partial<CouponIssuerOptions> = {}) => new CouponIssuer({ redis, ...options });

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  [operator, web] = [issuerWith(), issuerWith()];
});

/** The web process meets the campaign under one definition; then it is closed, purged and opened again under another. */
async function makeAnew(before: NamedDefinition, after: NamedDefinition): Promise<void> {
  await openNamed(operator, before);
  await web.campaign(ID).inspect();
  await remove();
  await openNamed(operator, after);
}

async function remove(): Promise<void> {
  await operator.campaign(ID).closeForGood();
  await operator.campaign(ID).purge();
}

const users = (count: number) => Array.from({ length: count }, (_, i) => `user-${i}`);
/** What each of so many users is told: the status or the code of the error, and the issuance. */
const issueAll = (by: CouponIssuer, count: number) =>
  Promise.all(
    users(count).map(async (userId): Promise<{ status: string; issuance?: Issuance }> => {
      try {
        return await by.campaign(ID).issue({ userId });
      } catch (error) {
        return { status: (error as CouponIssuerError).code };
      }
    }),
  );

test('a process that opens a campaign while another one does finds it there, and resets nothing', async () => {
  let opened = false;
  const late: RedisClient = {
    evalsha: async (sha1, ...args) => {
      // Both found nothing; the other one was faster, and has given out a coupon by now.
      if (sha1 === shaOf(scripts.openCampaign) && !opened) {
        opened = true;
        await openNamed(operator, COUNTED);
        await issueAll(operator, 1);
        await operator.idle();
      }
      return redis.evalsha(sha1, ...args);
    },
    eval: (...args) => redis.eval(...args),
  };
  const found = await openNamed(issuerWith({ redis: late }), COUNTED);
  expect(found).toMatchObject({ status: 'exists', campaign: { issued: 1, available: 19 } });
});

test('nobody passes a waiting room that a campaign was made anew with', async () => {
  await makeAnew(COUNTED, QUEUED);
  await operator.campaign(ID).join({ userId: 'ann' });
  const told = await issueAll(web, 15);
  expect(new Set(told.map(({ status }) => status))).toEqual(new Set(['CAMPAIGN_CONFLICT']));
  expect(await operator.campaign(ID).inspect()).toMatchObject({ available: 20, reserved: 0, issued: 0, waiting: 1 });
});

test('nobody is refused for a waiting room that a campaign was made anew without', async () => {
  await makeAnew(QUEUED, COUNTED);
  expect((await issueAll(web, 3)).map(({ status }) => status)).toEqual(['issued', 'issued', 'issued']);
});

test('a process that met a campaign without a waiting room joins, watches and admits once there is one', async () => {
  await makeAnew(COUNTED, QUEUED);
  expect(await web.campaign(ID).join({ userId: 'ann' })).toMatchObject({ status: 'waiting', position: 1 });
  expect(await web.campaign(ID).userStatus({ userId: 'ann' })).toMatchObject({ status: 'waiting' });
  const { value } = await web.campaign(ID).watch({ userId: 'ann' })[Symbol.asyncIterator]().next();
  expect(value).toMatchObject({ status: 'waiting' });
  expect(await web.campaign(ID).admit({ count: 1 })).toMatchObject({ status: 'admitted', issued: 1 });
  await web.close();
});

test.each([
  ['status', () => web.campaign(ID).userStatus({ userId: 'ann' })],
  ['watch', async () => (await web.campaign(ID).watch({ userId: 'ann' }).next()).value],
])('the first call after a campaign was made anew with a waiting room may be %s', async (_, ask) => {
  await makeAnew(COUNTED, QUEUED);
  await operator.campaign(ID).join({ userId: 'ann' });
  expect(await ask()).toMatchObject({ status: 'waiting', position: 1 });
  await web.close();
});

test.each([
  ['join', () => web.campaign(ID).join({ userId: 'ann' })],
  ['leave', () => web.campaign(ID).leave({ userId: 'ann' })],
  ['admit', () => web.campaign(ID).admit({ count: 1 })],
])('%s is refused by a campaign that was made anew without a waiting room', async (_, call) => {
  await makeAnew(QUEUED, COUNTED);
  await expect(call()).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
});

test('status of a user is told after a campaign was made anew without a waiting room', async () => {
  await makeAnew(QUEUED, COUNTED);
  await operator.campaign(ID).issue({ userId: 'ann' });
  expect(await web.campaign(ID).userStatus({ userId: 'ann' })).toMatchObject({ status: 'issued' });
});

test('every unit has a code once a campaign was made anew with codes', async () => {
  await makeAnew(COUNTED, WITH_CODES);
  const told = await issueAll(web, 15);
  expect(told.map(({ issuance }) => issuance?.code)).not.toContain(null);
  expect(new Set(told.map(({ issuance }) => issuance?.code)).size).toBe(15);
});

test('no unit has a code once a campaign was made anew without codes', async () => {
  await makeAnew(WITH_CODES, COUNTED);
  expect((await issueAll(web, 3)).map(({ issuance }) => issuance?.code)).toEqual([null, null, null]);
});

test('users who are let through have a code once a campaign was made anew with codes', async () => {
  const before: NamedDefinition = { ...QUEUED };
  await makeAnew(before, { ...QUEUED, stock: { kind: 'counted', total: 20, generateCodes: true } });
  for (const userId of users(3)) await operator.campaign(ID).join({ userId });
  await web.campaign(ID).admit({ count: 3 });
  for (const userId of users(3)) {
    const { issuances } = await operator.campaign(ID).userStatus({ userId });
    expect(issuances.map(({ code }) => typeof code)).toEqual(['string']);
  }
});

test('the limit per user is the one of the campaign that was made anew', async () => {
  await makeAnew({ ...COUNTED, perUser: 3 }, { ...COUNTED, perUser: 2 });
  const told = [];
  for (let i = 0; i < 4; i++) told.push((await web.campaign(ID).issue({ userId: 'ann' })).status);
  expect(told).toEqual(['issued', 'issued', 'already_issued', 'already_issued']);
});

test('codes are loaded, replaced and given out by a process that met a campaign without a pool', async () => {
  await makeAnew(COUNTED, POOL);
  expect(await web.campaign(ID).loadCodes(['AAA-1', 'AAA-2'])).toMatchObject({ loaded: 2 });
  const change = { campaignId: ID, code: 'AAA-2', replacement: 'AAA-3' };
  expect(await replaceCodeNamed(web, change)).toEqual({ status: 'replaced' });
  expect((await issueAll(web, 2)).map(({ issuance }) => issuance?.code)).toEqual(['AAA-1', 'AAA-3']);
});

test.each([
  ['loadCodes', () => web.campaign(ID).loadCodes(['AAA-1'])],
  ['replaceCode', () => web.campaign(ID).replaceCode({ code: 'AAA-1', replacement: 'AAA-2' })],
])('%s is refused by a campaign that was made anew without a pool, and writes nothing', async (_, call) => {
  await makeAnew(POOL, COUNTED);
  await expect(call()).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
  expect(await operator.campaign(ID).inspect()).toMatchObject({ available: 20, total: 20 });
});

test('a refusal that is remembered says nothing of the campaign that was made anew', async () => {
  web = issuerWith({ refusalCacheMs: 60_000 });
  await operator.campaign(ID).open({ stock: { kind: 'counted', total: 0 } });
  expect((await web.campaign(ID).issue({ userId: 'ann' })).status).toBe('sold_out');
  await remove();
  await openNamed(operator, COUNTED);
  await web.campaign(ID).inspect();
  expect((await web.campaign(ID).issue({ userId: 'bob' })).status).toBe('issued');
});

test.each(['opened', 'rebuilt'] as const)(
  'all calls that find a campaign made anew at once are served, whatever the one before had seen: it was %s',
  async (how) => {
    const persistence = new MemoryPersistence();
    operator = issuerWith({ persistence });
    // Each call goes alone, so each finds the other campaign by itself.
    web = issuerWith({ persistence, maxBatch: 1, maxInFlight: 10 });
    await openNamed(operator, COUNTED);
    for (let change = 0; change < 10; change++) await web.campaign(ID).restock({ add: 1, requestId: String(change) });
    await redis.flushall();
    await (how === 'opened' ? openNamed(operator, COUNTED) : rebuildNamed(operator, COUNTED));
    const told = await issueAll(web, 10);
    expect(told.map(({ status }) => status)).toEqual(users(10).map(() => 'issued'));
  },
);

describe('with other hooks', () => {
  const deliver = () => {};

  test('a process that has what the campaign that was made anew needs serves it again', async () => {
    const delivering = issuerWith({ deliver });
    await openNamed(operator, COUNTED);
    await expect(delivering.campaign(ID).issue({ userId: 'ann' })).rejects.toMatchObject({ code: 'MISCONFIGURED' });
    await remove();
    await openNamed(issuerWith({ deliver }), COUNTED);
    expect((await issueAll(delivering, 1)).map(({ status }) => status)).toEqual(['issued']);
    expect(await delivering.campaign(ID).settle()).toMatchObject({ failed: 0 });
  });

  test('a process that lacks what the campaign that was made anew needs takes nothing', async () => {
    await openNamed(operator, COUNTED);
    await web.campaign(ID).inspect();
    await remove();
    const persistence = new MemoryPersistence();
    await openNamed(issuerWith({ persistence }), COUNTED);
    await expect(web.campaign(ID).issue({ userId: 'ann' })).rejects.toMatchObject({ code: 'MISCONFIGURED' });
    await expect(web.campaign(ID).settle()).rejects.toMatchObject({ code: 'MISCONFIGURED' });
    expect(await operator.campaign(ID).inspect()).toMatchObject({ available: 20, issued: 0, reserved: 0 });
  });
});

test('a campaign that is rebuilt with codes gives each unit of a process that met it before a code', async () => {
  const persistence = new MemoryPersistence();
  [operator, web] = [issuerWith({ persistence }), issuerWith({ persistence })];
  await openNamed(operator, COUNTED);
  await web.campaign(ID).issue({ userId: 'before' });
  await web.idle();
  await redis.flushall();
  await rebuildNamed(operator, WITH_CODES);
  const told = await issueAll(web, 10);
  expect(told.map(({ status }) => status)).toEqual(users(10).map(() => 'issued'));
  expect(told.map(({ issuance }) => issuance?.code)).not.toContain(null);
});
