import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type CouponEvent, CouponIssuer, InvalidArgumentError } from '../../src/index.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { issueNamed } from '../support/scenes/named.js';
import { CountingClient } from '../support/servers/counting-client.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let counting: CountingClient;
let persistence: ScriptedPersistence;
let events: CouponEvent[];
let issuer: CouponIssuer;
let other: CouponIssuer;
let campaigns = 0;
let campaignId: string;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  campaignId = `refusing-${++campaigns}`;
  counting = new CountingClient(redis);
  persistence = new ScriptedPersistence();
  events = [];
  issuer = caching(60_000);
  other = new CouponIssuer({ redis, persistence });
});

const caching = (refusalCacheMs: number) =>
  new CouponIssuer({ redis: counting, persistence, refusalCacheMs, onEvent: (event) => events.push(event) });
const open = (total: number) => issuer.campaign(campaignId).open({ stock: { kind: 'counted', total } });
const ask = (userId: string, by = issuer) => by.campaign(campaignId).issue({ userId });
/** What an answer cost in calls of Redis. */
async function callsFor(work: () => Promise<unknown>): Promise<number> {
  const before = counting.sent;
  await work();
  return counting.sent - before;
}

/** The next call arrives, and nobody hears how it ended. */
function loseNextReply(): void {
  const evalsha = counting.evalsha.bind(counting);
  counting.evalsha = async (...args) => {
    counting.evalsha = evalsha;
    await evalsha(...args);
    throw new Error('Connection is closed.');
  };
}

test('a campaign that is sold out is asked once; whoever comes next is told from memory, and counted', async () => {
  await open(1);
  await ask('ann');
  await issuer.idle();
  expect(await ask('bob')).toEqual({ status: 'sold_out' });
  events.length = 0;
  expect(await callsFor(async () => expect(await ask('cho')).toEqual({ status: 'sold_out' }))).toBe(0);
  expect(events).toEqual([{ type: 'refused', campaignId, status: 'sold_out', count: 1 }]);
  await checkInvariants({ redis, campaignId, rows: await persistence.rows(campaignId), settled: true });
});

test('so is one that is paused, and one that is closed, with the instant of the close', async () => {
  await open(5);
  await other.campaign(campaignId).pause();
  expect(await ask('ann')).toEqual({ status: 'paused' });
  expect(await callsFor(async () => expect(await ask('bob')).toEqual({ status: 'paused' }))).toBe(0);
  issuer = caching(60_000);
  await other.campaign(campaignId).closeForGood();
  const told = await ask('ann');
  expect(told).toMatchObject({ status: 'closed', closedAt: expect.any(Date) });
  expect(await callsFor(async () => expect(await ask('bob')).toEqual(told))).toBe(0);
});

test('after that long Redis is asked again, and a restock is seen', async () => {
  issuer = caching(1);
  await open(1);
  await ask('ann');
  expect(await ask('bob')).toEqual({ status: 'sold_out' });
  await other.campaign(campaignId).restock({ add: 1, requestId: 'more' });
  await until(async () => (await ask('bob')).status === 'issued');
});

test('without it every answer is exact: a restock is seen by the next call', async () => {
  await open(1);
  await ask('ann', other);
  expect(await ask('bob', other)).toEqual({ status: 'sold_out' });
  await issuer.campaign(campaignId).restock({ add: 1, requestId: 'more' });
  expect(await ask('bob', other)).toMatchObject({ status: 'issued' });
});

test('a user this process issued to, or issues to right now, is told already_issued', async () => {
  await open(2);
  await ask('ann');
  const end = persistence.hold();
  const reached = persistence.reached();
  const bob = ask('bob');
  await reached;
  expect(await ask('cho')).toEqual({ status: 'sold_out' });
  expect(await ask('ann')).toMatchObject({ status: 'already_issued' });
  expect(await ask('bob')).toMatchObject({ status: 'already_issued', issuances: [{ state: 'reserved', code: null }] });
  end();
  expect(await bob).toMatchObject({ status: 'issued' });
});

test('a user whose call ended unknown is asked after in Redis, and so is a repeat of what was accepted', async () => {
  await open(2);
  persistence.next(fails(new Error('lost')), fails(new Error('lost')));
  const first = { campaignId, userId: 'ann', requestId: 'request-1' };
  expect(await issueNamed(issuer, first)).toMatchObject({ status: 'accepted' });
  loseNextReply();
  await expect(ask('bob')).rejects.toMatchObject({ code: 'REDIS' });
  expect(await ask('don')).toEqual({ status: 'sold_out' });
  expect(await callsFor(async () => expect(await ask('eve')).toEqual({ status: 'sold_out' }))).toBe(0);
  expect(await issueNamed(issuer, first)).toMatchObject({ status: 'issued' });
  await issuer.idle();
  expect(await callsFor(() => ask('bob'))).toBe(1);
});

test('bad input is refused as everywhere, before the memory is asked', async () => {
  await open(0);
  expect(await ask('ann')).toEqual({ status: 'sold_out' });
  await expect(ask('')).rejects.toBeInstanceOf(InvalidArgumentError);
  await expect(issuer.campaign(campaignId).issue({ userId: 'bob', timeoutMs: 0 })).rejects.toBeInstanceOf(
    InvalidArgumentError,
  );
});
