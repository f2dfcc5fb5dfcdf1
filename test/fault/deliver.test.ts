import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  CouponIssuer,
  type CouponIssuerOptions,
  type Issuance,
  NotDeliveredError,
  NotIssuedError,
  NotSavedError,
} from '../../src/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { answers, fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let delivered: Issuance[];
let campaignId = '';
let campaigns = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  persistence = new ScriptedPersistence();
  delivered = [];
  campaignId = `campaign-${++campaigns}`;
});

async function open(options: Partial<CouponIssuerOptions>, perUser = 1): Promise<CouponIssuer> {
  const issuer = new CouponIssuer({ redis, persistence, ...options });
  await issuer.campaign(campaignId).open({ stock: { kind: 'codes' }, perUser });
  await issuer.campaign(campaignId).loadCodes(['A', 'B', 'C']);
  return issuer;
}

const audit = async () =>
  checkInvariants({ redis, campaignId, rows: await persistence.rows(campaignId), settled: true });
const pool = () => redis.lrange(`{coupon:${campaignId}}:pool`, 0, -1);

test('certainly not delivered: the code is back at the head, and nothing was saved', async () => {
  const issuer = await open({
    deliver: () => {
      throw new NotDeliveredError('the partner said no');
    },
  });
  await expect(issuer.campaign(campaignId).issue({ userId: 'ann' })).rejects.toBeInstanceOf(NotIssuedError);
  expect(await pool()).toEqual(['1:A', '2:B', '3:C']);
  expect(persistence.saves).toEqual([]);
  await audit();
});

test('delivery in doubt: accepted, never released, and settle delivers again with the same id', async () => {
  let attempts = 0;
  const issuer = await open({
    deliver: (issuance) => {
      delivered.push(issuance);
      if (++attempts === 1) throw new Error('the partner did not answer');
    },
  });
  expect(await issuer.campaign(campaignId).issue({ userId: 'ann' })).toMatchObject({
    status: 'accepted',
    issuance: { code: null },
  });
  expect(await pool()).toEqual(['2:B', '3:C']);
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  expect(delivered.map(({ id, code }) => `${id} ${code}`)).toEqual([`${delivered[0]!.id} A`, `${delivered[0]!.id} A`]);
  await audit();
});

test('delivered, then the save fails for certain: accepted, the unit is never released', async () => {
  const issuer = await open({ deliver: () => {} });
  persistence.next(fails(new NotSavedError('no')));
  expect(await issuer.campaign(campaignId).issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
  expect(await pool()).toEqual(['2:B', '3:C']);
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  await audit();
});

test('what keeps failing in settle keeps its unit and is counted as failed', async () => {
  let broken = true;
  const issuer = await open({
    deliver: () => {
      if (broken) throw new Error('down');
    },
  });
  await issuer.campaign(campaignId).issue({ userId: 'ann' });
  await expireLeases(redis, campaignId);
  broken = false;
  persistence.next(fails(new NotSavedError('no')));
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 0, pending: 0, failed: 1 });
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ reserved: 1, available: 2 });
});

test('a delivered unit that the database gave to somebody else is withdrawn, recalled and reported', async () => {
  const recalled: Issuance[] = [];
  const withdrawn: unknown[] = [];
  const issuer = await open({
    deliver: () => {},
    recall: (issuance) => {
      recalled.push(issuance);
    },
    onEvent: (event) => {
      if (event.type === 'withdrawn') withdrawn.push(event);
    },
  });
  persistence.next(answers({ verdict: 'code_conflict' }));
  expect(await issuer.campaign(campaignId).issue({ userId: 'ann' })).toEqual({
    status: 'not_ready',
    reason: 'rolled_back',
  });
  expect(recalled).toMatchObject([{ code: 'A', userId: 'ann' }]);
  expect(withdrawn).toMatchObject([{ delivered: true, serial: 1, userId: 'ann' }]);
  expect(JSON.stringify(withdrawn)).not.toContain('"A"');
  expect(await pool()).toEqual(['2:B', '3:C']);
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ withdrawn: 1, reserved: 0 });
  await audit();
});

test('settle skips the delivery of what the database already has', async () => {
  let forgetful = true;
  const issuer = await open({
    persistence: {
      save: async (issuances) => {
        const verdicts = await persistence.save(issuances);
        if (forgetful) throw new Error('the reply is lost');
        return verdicts;
      },
      find: (issuances) => persistence.memory.find(issuances),
    },
    deliver: (issuance) => {
      delivered.push(issuance);
    },
  });
  expect(await issuer.campaign(campaignId).issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
  forgetful = false;
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  expect(delivered).toHaveLength(1);
  await audit();
});

test('64 calls with one request id at once deliver under one id', async () => {
  const issuers = await Promise.all(
    Array.from({ length: 4 }, async () => open({ deliver: (issuance) => void delivered.push(issuance) })),
  );
  const told = await Promise.all(
    Array.from({ length: 64 }, (_, i) =>
      issuers[i % 4]!.campaign(campaignId).issue({ userId: 'ann', requestId: 'one' }),
    ),
  );
  await Promise.all(issuers.map((issuer) => issuer.idle()));
  expect(new Set(delivered.map(({ id }) => id)).size).toBe(1);
  expect(new Set(delivered.map(({ code }) => code))).toEqual(new Set(['A']));
  for (const result of told) expect(['issued', 'accepted']).toContain(result.status);
  expect(await persistence.rows(campaignId)).toHaveLength(1);
});

test('no more than maxDeliveries run at a time, and none is started for a caller that gave up', async () => {
  let running = 0;
  let most = 0;
  const issuer = await open(
    {
      maxDeliveries: 2,
      deliver: async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
      },
    },
    3,
  );
  await Promise.all(['a', 'b', 'c', 'd', 'e'].map((userId) => issuer.campaign(campaignId).issue({ userId })));
  await issuer.idle();
  expect(most).toBe(2);
  await audit();
});
