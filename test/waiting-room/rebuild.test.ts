import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, type Issuance, type JoinResult } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { fails, loadScripts, ScriptedPersistence, withEach } from '../support/scenes/campaigns.js';
import { type NamedDefinition, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const campaignId = 'launch';
const definition: NamedDefinition = {
  id: campaignId,
  stock: { kind: 'counted', total: 10 },
  admission: 'queued',
};
const STEPS = [scripts.keepPromised, scripts.rebuildRows, scripts.finishRebuild].map(shaOf);

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuer: CouponIssuer;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  await loadScripts(redis);
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new ScriptedPersistence();
  issuer = new CouponIssuer({ redis, persistence });
  await openNamed(issuer, definition);
});

const join = (userId: string, by = issuer, requestId = 'click-1') =>
  by.campaign(campaignId).join({ userId, requestId });

/** What a join under this id is told before and after each step of a rebuild, by a process that knows the campaign and by a new one. */
async function toldWhileRebuilt(userId: string, requestId?: string): Promise<JoinResult[]> {
  const told: JoinResult[] = [];
  const ask = async () => {
    for (const by of [issuer, new CouponIssuer({ redis, persistence })]) told.push(await join(userId, by, requestId));
  };
  const client = withEach(redis, async (sha1, send) => {
    if (!STEPS.includes(sha1)) return send();
    await ask();
    const reply = await send();
    // After the last step it serves.
    if ((await redis.hget(`{coupon:${campaignId}}:campaign`, 'verified')) !== '1') await ask();
    return reply;
  });
  await rebuildNamed(new CouponIssuer({ redis: client, persistence }), definition);
  expect(told.length).toBeGreaterThanOrEqual(10);
  return told;
}

describe('while a campaign with a line is rebuilt, a repeat of join()', () => {
  test('of a user who has the coupon is told issued', async () => {
    await join('ann');
    await issuer.campaign(campaignId).admit({ count: 1 });
    await issuer.idle();
    for (const one of await toldWhileRebuilt('ann')) {
      expect(one).toMatchObject({ status: 'issued', issuance: { userId: 'ann', serial: 1 } });
    }
  });

  test('of a user who was let through is told accepted, without a code', async () => {
    await join('ann');
    persistence.next(fails(new Error('lost')), fails(new Error('lost')));
    await issuer.campaign(campaignId).admit({ count: 1 });
    await issuer.idle();
    for (const one of await toldWhileRebuilt('ann')) {
      expect(one).toMatchObject({ status: 'accepted', issuance: { userId: 'ann', serial: 1, code: null } });
    }
  });

  test('under another id is told not_ready, and so is whoever waits: the place is there afterwards', async () => {
    for (const userId of ['ann', 'bob', 'cat']) await join(userId);
    await issuer.campaign(campaignId).admit({ count: 1 });
    await issuer.idle();
    const refused = { status: 'not_ready', reason: 'rebuilding' };
    for (const one of await toldWhileRebuilt('ann', 'click-2')) expect(one).toEqual(refused);
    for (const one of await toldWhileRebuilt('cat')) expect(one).toEqual(refused);
    expect(await join('cat')).toMatchObject({ status: 'waiting', ticket: 3, position: 2 });
    expect(await redis.hget(`{coupon:${campaignId}}:campaign`, 'lastTicket')).toBe('3');
  });
});

describe('a user in line of a Redis that went back, whose coupon was revoked with another allowed', () => {
  let delivered: string[];
  let goBack: () => Promise<void>;
  beforeEach(async () => {
    delivered = [];
    issuer = new CouponIssuer({ redis, persistence, deliver: ({ id }) => void delivered.push(id) });
    await issuer.campaign(campaignId).closeForGood();
    await issuer.campaign(campaignId).purge();
    await openNamed(issuer, definition);
    await join('ann');
    const keys = await redis.keys('*');
    const older = await Promise.all(keys.map(async (key) => [key, await redis.dumpBuffer(key)] as const));
    await issuer.campaign(campaignId).admit({ count: 1 });
    await issuer.idle();
    const [{ id }] = (await persistence.rows(campaignId)) as [Issuance];
    await issuer.campaign(campaignId).revoke({ userId: 'ann', id, revocationId: 'r-1', again: true });
    goBack = async () => {
      await issuer.close();
      await redis.flushall();
      for (const [key, value] of older) await redis.restore(key, 0, value);
      issuer = new CouponIssuer({ redis, persistence, deliver: (issuance) => void delivered.push(issuance.id) });
    };
    await goBack();
    expect(delivered).toEqual([id]);
  });

  const admitted = async () => {
    await issuer.campaign(campaignId).admit({ count: 1 });
    await issuer.idle();
    const { issued, reserved, withdrawn, waiting } = await issuer.campaign(campaignId).inspect();
    return { delivered: delivered.length, issued, reserved, withdrawn, waiting };
  };
  const ONCE = { delivered: 1, issued: 0, reserved: 0, withdrawn: 1, waiting: 0 };

  test('leaves the line in the rebuild: nothing is delivered a second time under one id', async () => {
    const { campaign } = await rebuildNamed(issuer, definition);
    expect(campaign).toMatchObject({ waiting: 0, withdrawn: 1 });
    expect(await admitted()).toEqual(ONCE);
    expect(await join('ann')).toMatchObject({ status: 'revoked' });
    expect(await join('ann', issuer, 'click-2')).toMatchObject({ status: 'waiting', position: 1 });
    expect(await admitted()).toEqual({ ...ONCE, delivered: 2, issued: 1 });
  });

  test('leaves the line once, where they had another coupon since', async () => {
    await rebuildNamed(issuer, definition);
    await join('ann', issuer, 'click-2');
    await admitted();
    await goBack();
    expect(await rebuildNamed(issuer, definition)).toMatchObject({ rows: 2, campaign: { waiting: 0, issued: 1 } });
    expect(await join('bob')).toMatchObject({ status: 'waiting', position: 1 });
  });

  test('merely leaves the line where a repair brought the row back', async () => {
    const { findings } = await issuer.campaign(campaignId).reconcile({ repair: 'safe' });
    expect(findings).toMatchObject([{ kind: 'revoked_in_database', repaired: true }]);
    expect(await admitted()).toEqual(ONCE);
  });

  test('keeps a place that was taken under another id', async () => {
    await issuer.campaign(campaignId).leave({ userId: 'ann' });
    await join('ann', issuer, 'click-2');
    expect(await rebuildNamed(issuer, definition)).toMatchObject({ campaign: { waiting: 1 } });
    expect(await admitted()).toEqual({ ...ONCE, delivered: 2, issued: 1 });
  });
});
