import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, NotSavedError } from '../../src/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { answers, fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let campaigns = 0;
let campaignId: string;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  persistence = new ScriptedPersistence();
  campaignId = `unit-${++campaigns}`;
});

const audit = async () =>
  checkInvariants({ redis, campaignId, rows: await persistence.rows(campaignId), settled: true });

test('whoever was given another unit keeps it, though the save of it then fails for certain', async () => {
  const issuer = new CouponIssuer({ redis, persistence });
  await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 3 } });
  persistence.next(answers({ verdict: 'serial_conflict' }), fails(new NotSavedError('no')));
  expect(await issuer.campaign(campaignId).issue({ userId: 'ann' })).toMatchObject({
    status: 'accepted',
    issuance: { serial: 2 },
  });
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ available: 1, reserved: 1, withdrawn: 1 });
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  await audit();
});

test('settle that finds the row on another unit confirms what the row says, and withdraws the unit it delivered', async () => {
  const recalled: number[] = [];
  const issuer = new CouponIssuer({
    redis,
    persistence: {
      save: (issuances) => persistence.save(issuances),
      list: (id, options) => persistence.list(id, options),
      find: (issuances) => persistence.memory.find(issuances),
    },
    deliver: () => {},
    recall: ({ serial }) => void recalled.push(serial),
  });
  await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 3 } });
  persistence.next(
    async ([issuance], memory) => {
      await memory.save([{ ...issuance!, serial: 3 }]);
      throw new Error('lost');
    },
    fails(new Error('lost')),
  );
  expect(await issuer.campaign(campaignId).issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  expect(recalled).toEqual([1]);
  const { issuances } = await issuer.campaign(campaignId).userStatus({ userId: 'ann' });
  expect(issuances).toMatchObject([{ serial: 3, state: 'issued' }]);
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ reserved: 0, issued: 1, withdrawn: 1 });
});
