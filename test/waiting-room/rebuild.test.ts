import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, type JoinResult } from '../../src/index.js';
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
