import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { Child, type ChildConfig } from '../support/actors/child.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { Database, rowsOf } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let database: Database;
let redis: Redis;
let issuer: CouponIssuer;
let config: ChildConfig;
let campaignId = '';
let campaigns = 0;

beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  const persistence = new PostgresPersistence(database.pool);
  await persistence.createTable();
  redis = server.client();
  issuer = new CouponIssuer({ redis, persistence });
  config = { redisPort: server.port, postgresUrl: database.url };
});
afterAll(async () => {
  await Promise.all([server.stop(), database.stop()]);
});
beforeEach(async () => {
  campaignId = `campaign-${++campaigns}`;
  await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 3 } });
});

const audit = async () =>
  checkInvariants({ redis, campaignId, rows: await rowsOf(database, campaignId), settled: true });

/** Every unit that is not out yet can still be given out: none was lost. */
async function drain(expected: number): Promise<void> {
  const results = await Promise.all(
    Array.from({ length: 5 }, (_, i) => issuer.campaign(campaignId).issue({ userId: `drain-${i}` })),
  );
  await issuer.idle();
  expect(results.filter(({ status }) => status === 'issued')).toHaveLength(expected);
  await audit();
}

test.each(['before save', 'after save'] as const)(
  'a process killed %s loses no unit: one settle pass elsewhere issues it',
  async (holdAt) => {
    const child = await Child.start({ ...config, holdAt });
    child.say({ issue: { campaignId, userId: 'ann' } });
    await child.reaches(holdAt);
    expect(await child.kill()).toBe('SIGKILL');
    expect(await rowsOf(database, campaignId)).toHaveLength(holdAt === 'after save' ? 1 : 0);
    expect(await issuer.campaign(campaignId).userStatus({ userId: 'ann' })).toMatchObject({ status: 'reserved' });

    expect(await expireLeases(redis, campaignId)).toBe(1);
    expect(await issuer.settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
    expect(await rowsOf(database, campaignId)).toMatchObject([{ userId: 'ann', serial: 1 }]);
    expect(await issuer.campaign(campaignId).userStatus({ userId: 'ann' })).toMatchObject({ status: 'issued' });
    await audit();
    await drain(2);
  },
);

test.each([
  { how: 'saves', fail: false, told: 'issued' },
  { how: 'fails to save for certain', fail: true, told: 'issued' },
])('an owner stopped past its lease, who wakes after settle and $how, changes nothing', async ({ fail, told }) => {
  const child = await Child.start({ ...config, holdAt: 'before save' });
  child.say({ issue: { campaignId, userId: 'ann' } });
  await child.reaches('before save');
  child.signal('SIGSTOP');
  await expect.poll(() => child.stopped).toBe(true);

  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  const before = await rowsOf(database, campaignId);
  const grants = await redis.hgetall(`{coupon:${campaignId}}:grants`);

  child.signal('SIGCONT');
  child.say({ fail });
  const { results } = await child.reaches('done');
  expect(results).toMatchObject([{ status: told, issuance: { serial: 1 } }]);
  expect(await rowsOf(database, campaignId)).toEqual(before);
  expect(await redis.hgetall(`{coupon:${campaignId}}:grants`)).toEqual(grants);
  await audit();
  await drain(2);
});

test('64 calls of one user and one request id from 4 processes share one unit, one row and one delivery id', async () => {
  campaignId = `${campaignId}-codes`;
  const delivering = new CouponIssuer({
    redis,
    persistence: new PostgresPersistence(database.pool),
    deliver: () => {},
  });
  await delivering.campaign(campaignId).open({ stock: { kind: 'codes' } });
  await delivering.campaign(campaignId).loadCodes(['A', 'B', 'C']);
  const children = await Promise.all(Array.from({ length: 4 }, () => Child.start({ ...config, delivers: true })));
  for (const child of children) child.say({ issue: { campaignId, userId: 'ann', requestId: 'one' }, times: 16 });
  const ended = await Promise.all(children.map((child) => child.reaches('done')));
  const told = ended.flatMap(({ results }) => results!);
  expect(told).toHaveLength(64);
  expect(told.filter(({ status }) => status !== 'issued' && status !== 'accepted')).toEqual([]);
  await expireLeases(redis, campaignId);
  await delivering.campaign(campaignId).settle();
  const rows = await rowsOf(database, campaignId);
  expect(rows).toMatchObject([{ userId: 'ann', serial: 1, code: 'A' }]);
  const [{ id, serial, code }] = rows as [(typeof rows)[number]];
  for (const result of told) {
    if (result.status === 'issued') expect(result.issuance).toMatchObject({ id, serial, code });
  }
  const deliveries = ended.flatMap(({ deliveries }) => deliveries!);
  expect(deliveries.length).toBeGreaterThan(0);
  expect(new Set(deliveries.map((delivery) => `${delivery.id} ${delivery.code}`))).toEqual(new Set([`${id} ${code}`]));
  await audit();
});

test('the first of two processes cannot release what the second was promised', async () => {
  const request = { campaignId, userId: 'ann', requestId: 'one' };
  const first = await Child.start({ ...config, holdAt: 'before save' });
  first.say({ issue: request });
  await first.reaches('before save');
  const second = await Child.start({ ...config, holdAt: 'before save' });
  second.say({ issue: request });
  await second.reaches('before save');

  first.say({ fail: true });
  const { results } = await first.reaches('done');
  expect(results).toMatchObject([{ status: 'accepted' }]);
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ reserved: 1, available: 2 });

  second.say({ fail: false });
  expect((await second.reaches('done')).results).toMatchObject([{ status: 'issued', issuance: { serial: 1 } }]);
  expect(await rowsOf(database, campaignId)).toMatchObject([{ userId: 'ann', serial: 1 }]);
  await audit();
});

test('one user 1,000 times in parallel from 4 processes gets one coupon', async () => {
  const children = await Promise.all(Array.from({ length: 4 }, () => Child.start(config)));
  for (const child of children) child.say({ issue: { campaignId, userId: 'ann' }, times: 250 });
  const told = (await Promise.all(children.map((child) => child.reaches('done')))).flatMap(({ results }) => results!);
  expect(told.filter(({ status }) => status === 'issued')).toHaveLength(1);
  expect(told.filter(({ status }) => status === 'already_issued')).toHaveLength(999);
  expect(await rowsOf(database, campaignId)).toHaveLength(1);
  await audit();
});
