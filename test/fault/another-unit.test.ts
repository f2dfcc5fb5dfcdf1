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

/** A call of ann for unit 1, whose row was saved on unit 3: nobody learned of it. */
async function saveElsewhere() {
  const delivered: number[] = [];
  const recalled: number[] = [];
  const issuer = new CouponIssuer({
    redis,
    persistence: {
      save: (issuances) => persistence.save(issuances),
      list: (id, options) => persistence.list(id, options),
      find: (issuances) => persistence.memory.find(issuances),
    },
    deliver: ({ serial }) => void delivered.push(serial),
    recall: ({ serial }) => void recalled.push(serial),
  });
  const campaign = issuer.campaign(campaignId);
  await campaign.open({ stock: { kind: 'counted', total: 3 } });
  persistence.next(
    async ([issuance], memory) => {
      await memory.save([{ ...issuance!, serial: 3 }]);
      throw new Error('lost');
    },
    fails(new Error('lost')),
  );
  expect(await campaign.issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
  const keepsItsRow = async () => {
    expect(await campaign.settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
    expect({ delivered, recalled }).toEqual({ delivered: [1], recalled: [1] });
    const { issuances } = await campaign.userStatus({ userId: 'ann' });
    expect(issuances).toMatchObject([{ serial: 3, state: 'issued' }]);
    expect(await campaign.inspect()).toMatchObject({ reserved: 0, issued: 1, withdrawn: 1 });
    await audit();
  };
  return { campaign, recalled, keepsItsRow };
}

test('settle that finds the row on another unit confirms what the row says, and withdraws the unit that was delivered', async () => {
  const { keepsItsRow } = await saveElsewhere();
  await expireLeases(redis, campaignId);
  await keepsItsRow();
});

test('a withdrawal leaves a reservation in quarantine to settle if its row is on another unit', async () => {
  const { campaign, recalled, keepsItsRow } = await saveElsewhere();
  await redis.zadd(`{coupon:${campaignId}}:leases`, '9007199254740991', '1:ann');
  expect(await campaign.inspect()).toMatchObject({ quarantined: 1 });
  expect(await campaign.quarantine.withdraw({ all: true })).toEqual({ withdrawn: 0 });
  expect(recalled, 'its user has the coupon of the row').toEqual([]);
  await keepsItsRow();
});
