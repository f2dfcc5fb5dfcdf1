import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, type Issuance, NotSavedError } from '../../src/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ID = 'launch';
let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuer: CouponIssuer;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new ScriptedPersistence();
  issuer = new CouponIssuer({ redis, persistence });
});

const audit = async () => checkInvariants({ redis, campaignId: ID, rows: await persistence.rows(ID), settled: true });

test('who was overtaken by settle cannot give the unit back while settle does not know how its save ended', async () => {
  await issuer.campaign(ID).open({ stock: { kind: 'counted', total: 2 } });
  const end = persistence.hold();
  const saving = persistence.reached();
  const told = issuer
    .campaign(ID)
    .issue({ userId: 'ann' })
    .catch((error: unknown) => error);
  await saving;
  await expireLeases(redis, ID);
  const settler = new CouponIssuer({ redis, persistence });
  persistence.next(fails(new Error('lost')), fails(new Error('lost')));
  expect(await settler.campaign(ID).settle()).toEqual({ settled: 0, pending: 1, failed: 0 });
  end(new NotSavedError('no'));
  expect(await told).toMatchObject({ status: 'accepted', issuance: { serial: 1 } });
  expect(await issuer.campaign(ID).inspect()).toMatchObject({ available: 1, reserved: 1 });
  await expireLeases(redis, ID);
  expect(await settler.campaign(ID).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  await audit();
});

test.each([
  ['right', 0],
  ['an hour ahead once', 3_600_000],
])(
  'a settle pass ends although more is accepted with each of its saves (the clock of Redis was %s)',
  async (_, aheadMs) => {
    await issuer.campaign(ID).open({ stock: { kind: 'counted', total: 10_000 }, saveMode: 'write-behind' });
    if (aheadMs > 0) await redis.hset(`{coupon:${ID}}:campaign`, 'stamp', String((Date.now() + aheadMs) * 1_000));
    const accept = (batch: string) =>
      Promise.all(
        Array.from({ length: 20 }, (_, i) => issuer.campaign(ID).issue({ userId: `user-${batch}-${i + 1}` })),
      );
    await accept('first');
    let fed = 0;
    persistence.save = async (issuances: readonly Issuance[]) => {
      if (fed < 100) await accept(`fed-${++fed}`);
      return persistence.memory.save(issuances);
    };
    const settler = new CouponIssuer({ redis, persistence, maxBatch: 10 });
    const { settled } = await settler.campaign(ID).settle();
    expect(settled).toBeGreaterThanOrEqual(20);
    expect(fed).toBeLessThan(100);
  },
);
