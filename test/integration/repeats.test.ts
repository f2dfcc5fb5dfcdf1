import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type CouponEvent,
  CouponIssuer,
  type CouponIssuerOptions,
  httpStatus,
  type IssueResult,
} from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { expireLeases } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { fails, loadScripts, recording, ScriptedPersistence, withEach } from '../support/scenes/campaigns.js';
import { issueNamed, type NamedDefinition, openNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const ID = 'launch';
const REQUEST = { campaignId: ID, userId: 'ann', requestId: 'click-1' };
let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let events: CouponEvent[];
let issuer: CouponIssuer;
let other: CouponIssuer;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new ScriptedPersistence();
  events = [];
  issuer = issuerWith();
  other = issuerWith();
});

/** Each stands for a process of its own, and all tell one observer. */
const issuerWith = (options: Partial<CouponIssuerOptions> = {}) =>
  new CouponIssuer({ redis, persistence, timeoutMs: 5_000, onEvent: (event) => events.push(event), ...options });
const open = (change: Partial<NamedDefinition> = {}, by = issuer) =>
  openNamed(by, { id: ID, stock: { kind: 'counted', total: 5 }, ...change } as NamedDefinition);
const told = () => events.map(({ type }) => type).filter((type) => type !== 'exhausted');
const unitOf = (result: IssueResult) => ('issuance' in result ? result.issuance.serial : null);
const lostConnection = fails(new Error('the connection was lost'));

describe('a repeat under the same request id', () => {
  test('of what was issued is told so, with the same coupon and no second event', async () => {
    await open();
    const first = await issueNamed(issuer, REQUEST);
    expect(first).not.toHaveProperty('replayed');
    await issuer.idle();
    for (const by of [issuer, other, issuerWith()]) {
      expect(await issueNamed(by, REQUEST)).toEqual({ ...first, replayed: true });
      await by.idle();
    }
    expect(told()).toEqual(['issued']);
    expect(httpStatus(await issueNamed(other, REQUEST))).toBe(httpStatus(first));
  });

  test('of another user, or under another request id, is none', async () => {
    await open({ perUser: 2 });
    await issueNamed(issuer, REQUEST);
    await issuer.idle();
    for (const change of [{ userId: 'bob' }, { requestId: 'click-2' }]) {
      expect(await issueNamed(issuer, { ...REQUEST, ...change })).not.toHaveProperty('replayed');
    }
    expect(told()).toEqual(['issued', 'issued', 'issued']);
  });

  test('in a campaign without hooks is told apart from the call that took the unit', async () => {
    const bare = new CouponIssuer({ redis, onEvent: (event) => events.push(event) });
    await open({}, bare);
    const first = await issueNamed(bare, REQUEST);
    expect(first).toMatchObject({ status: 'issued' });
    expect(first).not.toHaveProperty('replayed');
    expect(await issueNamed(bare, REQUEST)).toEqual({ ...first, replayed: true });
    expect(told()).toEqual(['issued']);
  });

  test('in write-behind is told accepted once by an event, however often it is asked', async () => {
    await open({ saveMode: 'write-behind' });
    const first = await issueNamed(issuer, REQUEST);
    for (const by of [issuer, other]) expect(await issueNamed(by, REQUEST)).toEqual({ ...first, replayed: true });
    expect(told()).toEqual(['accepted']);
    await issuer.campaign(ID).settle();
    expect(await issueNamed(other, REQUEST)).toMatchObject({ status: 'issued', replayed: true });
    expect(told()).toEqual(['accepted', 'settled']);
  });

  test('that ends what an earlier call left in doubt tells that it was settled', async () => {
    await open();
    persistence.next(lostConnection, lostConnection);
    const first = await issueNamed(issuer, REQUEST);
    expect(first).toMatchObject({ status: 'accepted' });
    const second = await issueNamed(other, REQUEST);
    expect(second).toMatchObject({ status: 'issued', replayed: true });
    expect(unitOf(second)).toBe(unitOf(first));
    await other.idle();
    expect(told()).toEqual(['fault', 'fault', 'accepted', 'settled']);
    expect(await issuer.campaign(ID).settle()).toMatchObject({ settled: 0 });
  });

  test('that takes over while the first call saves leaves the event to that call', async () => {
    await open();
    const end = persistence.hold();
    const reached = persistence.reached();
    const first = issueNamed(issuer, REQUEST);
    await reached;
    const second = await issueNamed(other, REQUEST);
    end();
    expect(await first).toEqual({ status: 'issued', issuance: (second as { issuance: unknown }).issuance });
    expect(second).toMatchObject({ status: 'issued', replayed: true });
    await Promise.all([issuer.idle(), other.idle()]);
    expect(told().filter((type) => type === 'issued')).toHaveLength(1);
  });

  test('of what Redis had forgotten finds its row, and tells no second event', async () => {
    await open();
    const first = await issueNamed(issuer, REQUEST);
    await issuer.idle();
    await redis.flushall();
    const fresh = issuerWith();
    await fresh.campaign(ID).open({ stock: { kind: 'counted', total: 5 } }, { skipRowCheck: true });
    await fresh.campaign(ID).issue({ userId: 'bob' });
    expect(await issueNamed(fresh, REQUEST)).toMatchObject({ ...first, replayed: true });
    await fresh.idle();
    expect(events.filter((event) => event.type === 'issued')).toMatchObject([{ userId: 'ann' }, { userId: 'bob' }]);
  });
});

describe('calls that share one attempt', () => {
  test('get a result of their own each; all but the first are repeats, and one event is told', async () => {
    await open();
    const results = await Promise.all([1, 2, 3].map(() => issueNamed(issuer, REQUEST)));
    const [first, ...others] = results as Extract<IssueResult, { status: 'issued' }>[];
    expect(first).not.toHaveProperty('replayed');
    for (const one of others) expect(one).toEqual({ ...first, replayed: true });
    expect(told()).toEqual(['issued']);
    const at = first!.issuance.issuedAt.getTime();
    others[0]!.issuance.issuedAt.setTime(0);
    Object.assign(others[0]!.issuance, { code: 'STOLEN' });
    for (const one of [first!, others[1]!]) expect(one.issuance.issuedAt.getTime()).toBe(at);
    for (const one of [first!, others[1]!]) expect(one.issuance.code).toBeNull();
  });

  test('get a refusal of their own each, which is no repeat of a coupon', async () => {
    await open({ opensAt: new Date(Date.now() + 3_600_000) });
    const [one, two] = (await Promise.all([issueNamed(issuer, REQUEST), issueNamed(issuer, REQUEST)])) as {
      opensAt: Date;
    }[];
    expect(one).toEqual(two);
    expect(one).not.toHaveProperty('replayed');
    one!.opensAt.setTime(0);
    expect(two!.opensAt.getTime()).toBeGreaterThan(0);
  });

  test('and are told accepted in time are told apart too', async () => {
    await open();
    const end = persistence.hold();
    const reached = persistence.reached();
    const first = issueNamed(issuer, REQUEST);
    await reached;
    expect(await issueNamed(issuer, { ...REQUEST, timeoutMs: 1 })).toMatchObject({
      status: 'accepted',
      replayed: true,
    });
    end();
    expect(await first).not.toHaveProperty('replayed');
  });
});

test('a refusal that is answered from memory is a new object each time', async () => {
  const cached = issuerWith({ refusalCacheMs: 10_000 });
  await open({}, cached);
  await cached.campaign(ID).closeForGood();
  const ask = () => cached.campaign(ID).issue({ userId: 'bob' }) as Promise<{ closedAt: Date }>;
  const [first, second] = [await ask(), await ask()];
  const at = first.closedAt.getTime();
  second.closedAt.setTime(0);
  first.closedAt.setTime(0);
  expect((await ask()).closedAt.getTime()).toBe(at);
});

describe('a campaign that is written and does not serve yet', () => {
  beforeEach(async () => {
    await open();
    issuer = issuerWith();
    await redis.hset(`{coupon:${ID}}:campaign`, 'verified', '0');
  });

  test('is no fault to a worker, which serves it at the next interval after it was activated', async () => {
    const client = recording(redis);
    const worker = issuerWith({ redis: client }).startWorker({ intervalMs: 10 });
    const claims = () => client.calls.filter(({ sha1 }) => sha1 === shaOf(scripts.claimDue)).length;
    await until(async () => claims() >= 2);
    await redis.hset(`{coupon:${ID}}:campaign`, 'verified', '1');
    persistence.next(lostConnection, lostConnection);
    expect(await issueNamed(other, REQUEST)).toMatchObject({ status: 'accepted' });
    await expireLeases(redis, ID);
    await until(async () => told().includes('settled'));
    const { campaigns } = await worker.health();
    await worker.stop();
    expect(campaigns[0]!.lastError).toBeNull();
    expect(events.filter((event) => event.type === 'fault' && event.during === 'settle')).toEqual([]);
  });

  test('that is activated in the middle of a look is no fault either', async () => {
    await loadScripts(redis);
    const activating = withEach(redis, async (sha1, send) => {
      const reply = await send();
      if (sha1 === shaOf(scripts.claimDue)) await redis.hset(`{coupon:${ID}}:campaign`, 'verified', '1');
      return reply;
    });
    const watching = issuerWith({ redis: activating });
    await watching.campaign(ID).inspect();
    expect(await watching.settle()).toEqual({ settled: 0, pending: 0, failed: 0 });
    expect(told()).toEqual([]);
  });

  test('does not stop a pass over all campaigns, and is no fault to it', async () => {
    expect(await issuer.settle()).toEqual({ settled: 0, pending: 0, failed: 0 });
    expect(told()).toEqual([]);
  });

  test('is a fault once it served and lost a part of its state', async () => {
    await redis.hset(`{coupon:${ID}}:campaign`, { verified: '1', returned: '7' });
    await expect(issuer.settle()).rejects.toMatchObject({ code: 'NOT_READY' });
    expect(told()).toEqual(['fault']);
  });
});
