import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, type RedisClient } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { loadScripts, withEach } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const ID = 'launch';
const COUNTED = { stock: { kind: 'counted', total: 20 } } as const;
const FUTURE = new Date('2099-01-01T00:00:00Z');
const PAST = new Date('2020-01-01T00:00:00Z');
let server: RedisServer;
let redis: Redis;
let operator: CouponIssuer;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  await loadScripts(redis);
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  operator = new CouponIssuer({ redis });
});

/** A process that gets each reply of these scripts only once `later` is over. */
function slowToHear(sha1s: readonly string[], later: () => Promise<unknown>): RedisClient {
  return withEach(redis, async (sha1, send) => {
    const reply = await send();
    if (sha1s.includes(sha1)) await later();
    return reply;
  });
}

test.each([
  ['issue', 'immediate'],
  ['join', 'queued'],
] as const)(
  '%s() answers not_open with the instant of the campaign that refused, though the process knows a later one by now',
  async (call, admission) => {
    await operator
      .campaign(ID)
      .open({ ...COUNTED, admission, opensAt: FUTURE, closesAt: new Date('2099-02-01T00:00:00Z') });
    const web = new CouponIssuer({
      redis: slowToHear([shaOf(scripts.reserve), shaOf(scripts.joinLine)], async () => {
        await redis.flushall();
        await operator.campaign(ID).open({ ...COUNTED, admission }, { skipRowCheck: true });
        expect((await web.campaign(ID).inspect()).opensAt).toBeNull();
      }),
    });
    await web.campaign(ID).inspect();
    expect(await web.campaign(ID)[call]({ userId: 'ann' })).toEqual({ status: 'not_open', opensAt: FUTURE });
  },
);

test.each([
  ['issue', 'immediate'],
  ['join', 'queued'],
] as const)(
  '%s() answers closed with the instant of the close, whatever the process remembers of the window',
  async (call, admission) => {
    await operator.campaign(ID).open({ ...COUNTED, admission, closesAt: FUTURE });
    const web = new CouponIssuer({ redis });
    await web.campaign(ID).inspect();
    // The time has come.
    await redis.hset(`{coupon:${ID}}:campaign`, 'closesAt', String(PAST.getTime()));
    expect(await web.campaign(ID)[call]({ userId: 'ann' })).toEqual({ status: 'closed', closedAt: PAST });
  },
);
