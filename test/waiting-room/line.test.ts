import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type CouponEvent,
  CouponIssuer,
  drawKey,
  OverloadedError,
  type RedisClient,
  type WaitingChange,
} from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { fails, ScriptedPersistence, withEach } from '../support/scenes/campaigns.js';
import type { NamedDefinition } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let events: CouponEvent[];
let issuer: CouponIssuer;
let campaigns = 0;
let campaignId: string;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  persistence = new ScriptedPersistence();
  events = [];
  campaignId = `line-${++campaigns}`;
  issuer = new CouponIssuer({ redis, persistence, onEvent: (event) => events.push(event) });
});
afterEach(async () => {
  await issuer.idle();
  await checkInvariants({ redis, campaignId, rows: await persistence.rows(campaignId) });
  await issuer.close();
});

const open = (total: number, more: Partial<NamedDefinition> = {}) =>
  issuer.campaign(campaignId).open({ stock: { kind: 'counted', total }, admission: 'queued', ...more });
const join = (userId: string, requestId?: string) =>
  issuer.campaign(campaignId).join({ userId, ...(requestId ? { requestId } : {}) });
const users = (count: number) => Array.from({ length: count }, (_, i) => `user-${i + 1}`);
const joinAll = (names: readonly string[]) => Promise.all(names.map((name) => join(name)));
const statusOf = (userId: string) => issuer.campaign(campaignId).userStatus({ userId });
const admit = (count: number) => issuer.campaign(campaignId).admit({ count });
const rows = () => persistence.rows(campaignId);
const key = (name: string) => `{coupon:${campaignId}}:${name}`;

describe('joining', () => {
  test('who joins has a ticket and a position, and joining again keeps the place', async () => {
    await open(10);
    expect(await join('ann')).toEqual({ status: 'waiting', ticket: 1, position: 1, etaMs: null });
    expect(await join('bob')).toMatchObject({ status: 'waiting', ticket: 2, position: 2 });
    expect(await join('ann')).toMatchObject({ status: 'waiting', ticket: 1, position: 1 });
    expect(await statusOf('bob')).toMatchObject({ status: 'waiting', ticket: 2, position: 2, issuances: [] });
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({
      waiting: 2,
      available: 10,
      admission: 'queued',
      ready: true,
    });
  });

  test('of one user who joins several times in the same tick there is one place', async () => {
    await open(10);
    const results = await Promise.all([join('ann'), join('bob'), join('ann'), join('ann')]);
    expect(results.map((result) => 'ticket' in result && result.ticket)).toEqual([1, 2, 1, 1]);
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ waiting: 2 });
  });

  test('the line is as long as what is left; overbook lets so many more wait', async () => {
    await open(2, { overbook: 1 });
    const statuses = (await joinAll(users(5))).map(({ status }) => status);
    expect(statuses).toEqual(['waiting', 'waiting', 'waiting', 'sold_out', 'sold_out']);
    expect(await redis.hlen(key('tickets'))).toBe(3);
    expect(events).toContainEqual({ type: 'refused', campaignId, status: 'sold_out', count: 1 });
  });

  test('maxWaiting bounds the line, with an error that is no refusal', async () => {
    await open(100, { maxWaiting: 2 });
    const results = await Promise.allSettled(users(3).map((name) => join(name)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect((results[2] as PromiseRejectedResult).reason).toBeInstanceOf(OverloadedError);
    expect(await statusOf('user-3')).toEqual({ status: 'none', issuances: [] });
  });

  test('before the opening, paused, and closed it is refused, and nothing is stored', async () => {
    const opensAt = new Date(Date.now() + 3_600_000);
    await open(10, { opensAt });
    expect(await join('ann')).toEqual({ status: 'not_open', opensAt });
    await redis.hset(key('campaign'), 'opensAt', '1000');
    await issuer.campaign(campaignId).pause();
    expect(await join('ann')).toEqual({ status: 'paused' });
    await issuer.campaign(campaignId).resume();
    await issuer.campaign(campaignId).closeForGood();
    expect(await join('ann')).toMatchObject({ status: 'closed', closedAt: expect.any(Date) });
    expect(await redis.exists(key('queue'), key('tickets'))).toBe(0);
  });

  test('who has their coupons is told so, and a request id finds its own answer', async () => {
    await open(10, { perUser: 2 });
    await join('ann', 'first');
    await admit(1);
    expect(await join('ann', 'first')).toMatchObject({ status: 'issued', issuance: { serial: 1, grant: 1 } });
    expect(await join('ann', 'second')).toMatchObject({ status: 'waiting', position: 1 });
    expect(await statusOf('ann')).toMatchObject({ status: 'waiting', issuances: [{ serial: 1 }] });
    await admit(1);
    expect(await join('ann', 'third')).toMatchObject({
      status: 'already_issued',
      issuances: [{ grant: 1 }, { grant: 2 }],
    });
  });

  test('eligible is asked before a place is given', async () => {
    const choosy = new CouponIssuer({
      redis,
      persistence,
      eligible: ({ userId }) => userId === 'ann' || { reason: 'staff' },
    });
    await open(10);
    expect(await choosy.campaign(campaignId).join({ userId: 'bob' })).toEqual({
      status: 'not_eligible',
      reason: 'staff',
    });
    expect(await choosy.campaign(campaignId).join({ userId: 'ann' })).toMatchObject({ status: 'waiting' });
    await choosy.close();
  });

  test('a user in line whom eligible refuses has no place any more, and a fault of eligible ends none', async () => {
    let rule: () => true | { reason: string } = () => true;
    const choosy = new CouponIssuer({
      redis,
      persistence,
      onEvent: (event) => events.push(event),
      eligible: () => rule(),
    });
    const line = choosy.campaign(campaignId);
    await open(10);
    const joins = (...users: string[]) => Promise.all(users.map((userId) => line.join({ userId, requestId: 'page' })));
    await joins('ann', 'bob', 'eve');
    rule = () => {
      throw new Error('the block list is away');
    };
    await expect(joins('ann')).rejects.toMatchObject({ code: 'HOOK' });
    expect(await statusOf('ann')).toMatchObject({ status: 'waiting', position: 1 });
    rule = () => ({ reason: 'banned' });
    const refused = { status: 'not_eligible', reason: 'banned' };
    expect(await joins('ann', 'zoe')).toEqual([refused, refused]);
    expect(events.filter(({ type }) => type === 'places_ended')).toMatchObject([{ reason: 'left', count: 1 }]);
    expect((await statusOf('ann')).status).toBe('none');
    expect(await admit(2)).toMatchObject({ status: 'admitted', admitted: 2 });
    expect((await rows()).map(({ userId }) => userId).sort()).toEqual(['bob', 'eve']);
    expect(await joins('bob')).toMatchObject([{ status: 'issued' }]);
    await choosy.close();
  });

  test.each([
    ['before the look for the place', scripts.findPlaces],
    ['between that look and the end of the place', scripts.leaveLine],
  ])('a user who is refused and let through %s is told the coupon of this very request', async (_, script) => {
    let refuses = false;
    const client = withEach(redis, async (sha1, send) => {
      if (refuses && sha1 === shaOf(script)) {
        refuses = false;
        await admit(1);
      }
      return send();
    });
    const eligible = () => (refuses ? { reason: 'banned' } : (true as const));
    const choosy = new CouponIssuer({ redis: client, persistence, eligible });
    await open(10);
    const request = { userId: 'ann', requestId: 'page' };
    await choosy.campaign(campaignId).join(request);
    refuses = true;
    expect(await choosy.campaign(campaignId).join(request)).toMatchObject({ status: 'issued' });
    expect(await rows()).toHaveLength(1);
    await choosy.close();
  });

  test('issue() does not pass the line, and join() needs one', async () => {
    await open(10);
    await expect(issuer.campaign(campaignId).issue({ userId: 'ann' })).rejects.toMatchObject({
      code: 'CAMPAIGN_CONFLICT',
    });
    await issuer.campaign('no-line').open({ stock: { kind: 'counted', total: 1 } });
    for (const call of [
      () => issuer.campaign('no-line').join({ userId: 'ann' }),
      () => issuer.campaign('no-line').leave({ userId: 'ann' }),
      () => issuer.campaign('no-line').admit({ count: 1 }),
      () => issuer.campaign('no-line').watch({ userId: 'ann' }).next(),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
    }
  });
});

describe('letting people through', () => {
  test('the first of the line get the first serials, committed, and the others move up', async () => {
    await open(10);
    await joinAll(users(5));
    expect(await admit(3)).toEqual({ status: 'admitted', admitted: 3, issued: 3, waiting: 2 });
    expect((await rows()).map(({ userId, serial }) => `${serial}:${userId}`)).toEqual([
      '1:user-1',
      '2:user-2',
      '3:user-3',
    ]);
    expect(await statusOf('user-1')).toMatchObject({ status: 'issued', issuances: [{ serial: 1 }] });
    expect(await statusOf('user-5')).toMatchObject({ status: 'waiting', position: 2, ticket: 5 });
    await issuer.idle();
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ issued: 3, reserved: 0, waiting: 2 });
  });

  test('several who admit at once let nobody through twice, and serials follow tickets', async () => {
    await open(1_000);
    await joinAll(users(1_000));
    const others = Array.from({ length: 3 }, () => new CouponIssuer({ redis, persistence, maxBatch: 7 }));
    await Promise.all(others.map((other) => other.campaign(campaignId).admit({ count: 333 })));
    await admit(1);
    expect((await rows()).map(({ userId, serial }) => [serial, userId])).toEqual(
      users(1_000).map((name, i) => [i + 1, name]),
    );
    await Promise.all(others.map((other) => other.close()));
  });

  test('without persistence they are issued at once', async () => {
    const plain = new CouponIssuer({ redis });
    await plain
      .campaign('plain')
      .open({ stock: { kind: 'counted', total: 2, generateCodes: true }, admission: 'queued' });
    await plain.campaign('plain').join({ userId: 'ann' });
    expect(await plain.campaign('plain').admit({ count: 5 })).toEqual({
      status: 'admitted',
      admitted: 1,
      issued: 1,
      waiting: 0,
    });
    const { issuances } = await plain.campaign('plain').userStatus({ userId: 'ann' });
    expect(issuances[0]!.code).toMatch(/^[0-9A-Z-]{8,}$/);
    await plain.close();
  });

  test('codes of a pool go out in the order of the line', async () => {
    await issuer.campaign(campaignId).open({ stock: { kind: 'codes' }, admission: 'queued' });
    expect(await join('early')).toEqual({ status: 'sold_out' });
    await issuer.campaign(campaignId).loadCodes(['AAA', 'BBB']);
    await joinAll(users(2));
    await admit(10);
    expect((await rows()).map(({ userId, code }) => `${userId} ${code}`)).toEqual(['user-1 AAA', 'user-2 BBB']);
  });

  test('paused, not open, closed: nobody is let through; nobody loses a place by a pause', async () => {
    await open(10);
    await joinAll(users(2));
    await issuer.campaign(campaignId).pause();
    expect(await admit(1)).toEqual({ status: 'paused' });
    expect(await join('user-2')).toMatchObject({ status: 'waiting', position: 2, etaMs: null });
    await issuer.campaign(campaignId).resume();
    expect(await admit(1)).toMatchObject({ admitted: 1, waiting: 1 });
    expect(await statusOf('user-2')).toMatchObject({ position: 1 });
    await issuer.campaign(campaignId).closeForGood();
    expect(await admit(1)).toEqual({ status: 'closed' });
    expect(await statusOf('user-2')).toEqual({ status: 'none', issuances: [] });
    expect(events).toContainEqual({ type: 'places_ended', campaignId, reason: 'closed', count: 1 });
  });

  test('when the stock ends, whoever still waits is sold out; a stock that was raised before serves them', async () => {
    await open(2, { overbook: 5 });
    await joinAll(users(4));
    await issuer.campaign(campaignId).restock({ add: 1, requestId: 'one-more' });
    expect(await admit(100)).toMatchObject({ admitted: 3, issued: 3 });
    await issuer.idle();
    await admit(100);
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ waiting: 0, issued: 3 });
    expect(await issuer.campaign(campaignId).leave({ userId: 'user-4' })).toEqual({ status: 'sold_out' });
    expect(await join('user-5')).toEqual({ status: 'sold_out' });
    expect(events).toContainEqual({ type: 'places_ended', campaignId, reason: 'sold_out', count: 1 });
  });

  test('a returned unit reaches the next in line, and no newcomer', async () => {
    await open(2, { overbook: 1 });
    await joinAll(['ann', 'bob', 'cat']);
    // The database already has a coupon of ann, which Redis does not know: her unit comes back.
    await persistence.save([
      {
        id: 'x'.repeat(22),
        campaignId,
        userId: 'ann',
        grant: 1,
        serial: 2,
        code: null,
        issuedAt: new Date(),
        epoch: '1-a',
        state: 'issued',
      },
    ]);
    await admit(3);
    await until(async () => (await rows()).length === 2);
    expect((await rows()).map(({ userId }) => userId).sort()).toEqual(['ann', 'bob']);
    // Redis gave bob a unit that it did not know to be taken, and has counted one too many: a rebuild puts that in order.
    await issuer
      .campaign(campaignId)
      .rebuild({ stock: { kind: 'counted', total: 2 }, admission: 'queued', overbook: 1 });
  });

  test('while a unit is out that may come back, whoever waits for it is not told sold out', async () => {
    await open(1, { overbook: 1 });
    await joinAll(['ann', 'bob']);
    const end = persistence.hold();
    const reached = persistence.reached();
    const admitting = admit(1);
    await reached;
    const other = new CouponIssuer({ redis, persistence });
    expect(await other.campaign(campaignId).admit({ count: 1 })).toEqual({
      status: 'admitted',
      admitted: 0,
      issued: 0,
      waiting: 1,
    });
    end();
    await admitting;
    await issuer.idle();
    expect(await other.campaign(campaignId).admit({ count: 1 })).toMatchObject({ admitted: 0, waiting: 0 });
    await other.close();
  });

  test('what a save left in doubt is finished by settle, in the place of the line', async () => {
    await open(10);
    await joinAll(users(2));
    persistence.next(fails(new Error('gone')), fails(new Error('gone')));
    expect(await admit(2)).toMatchObject({ admitted: 2, issued: 0 });
    expect(await statusOf('user-1')).toMatchObject({ status: 'reserved', issuances: [{ code: null }] });
    expect(await issuer.campaign(campaignId).leave({ userId: 'user-1' })).toMatchObject({ status: 'reserved' });
    await expireLeases(redis, campaignId);
    await issuer.campaign(campaignId).settle();
    expect((await rows()).map(({ userId }) => userId)).toEqual(users(2));
  });
});

describe('what a clock, a rebuild or an outage leaves behind', () => {
  test('a clock that was set back does not stop a line with a cap, nor its pace', async () => {
    await open(100);
    await joinAll(users(20));
    await admit(2);
    await admit(2);
    const later = (Date.now() + 3_600_000) * 1_000;
    await redis.hset(key('campaign'), { admitsAt: String(later), paceAt: String(later) });
    expect((await join('user-20')) as { etaMs: number }).toMatchObject({ etaMs: expect.any(Number) });
    await issuer.campaign(campaignId).setPace({ admitPerSecond: 1_000 });
    const worker = issuer.startWorker({ campaigns: [campaignId], intervalMs: 5 });
    await until(async () => (await rows()).length === 20);
    await worker.stop();
  });

  test('a clock that was set back takes nothing from a wave that was under way', async () => {
    await open(100);
    await joinAll(users(10));
    const inTwoHours = Date.now() + 7_200_000;
    await redis.hset(key('campaign'), { waveAt: String(inTwoHours), waveLeft: '4' });
    const waves = [{ from: new Date(Date.now() - 1_800_000), every: 'hour', count: 3 }] as const;
    await issuer.campaign(campaignId).setPace({ waves });
    const worker = issuer.startWorker({ campaigns: [campaignId], intervalMs: 5 });
    const outcome = await until(async () => (await rows()).length === 4, 3_000).catch((error: unknown) => error);
    await worker.stop();
    expect(outcome).toBeUndefined();
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ waiting: 6 });
  });

  test('waves that were due before the campaign was made, or made again, let nobody through', async () => {
    const waves = [{ from: new Date(Date.now() - 361_800_000), every: 'hour', count: 10 }] as const;
    await open(1_000);
    await joinAll(users(50));
    await issuer.campaign(campaignId).setPace({ waves });
    const worker = issuer.startWorker({ campaigns: [campaignId], intervalMs: 5 });
    await until(async () => (await redis.hget(key('campaign'), 'waveAt')) !== null);
    await worker.stop();
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ waiting: 50, issued: 0 });
  });

  test('while the database is away admit() empties no line: it stops at the first batch of which nothing was saved', async () => {
    const small = new CouponIssuer({ redis, persistence, maxBatch: 10 });
    await open(1_000);
    await joinAll(users(100));
    persistence.next(...Array.from({ length: 40 }, () => fails(new Error('gone'))));
    expect(await small.campaign(campaignId).admit({ count: 100 })).toMatchObject({
      admitted: 10,
      issued: 0,
      waiting: 90,
    });
    await small.close();
  });

  test('people who have a coupon already do not end an admission', async () => {
    await open(10);
    await joinAll(users(4));
    const known = (userId: string, serial: number) => ({
      ...{ id: `${userId}-before`.padEnd(22, '0'), campaignId, userId, grant: 1, serial, code: null },
      ...{ issuedAt: new Date(), epoch: '1-a', state: 'issued' as const },
    });
    await persistence.save([known('user-1', 1), known('user-2', 2)]);
    await issuer.campaign(campaignId).reconcile({ repair: 'safe' });
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ waiting: 4, issued: 2 });
    const small = new CouponIssuer({ redis, persistence, maxBatch: 2 });
    expect(await small.campaign(campaignId).admit({ count: 2 })).toMatchObject({ admitted: 2, waiting: 0 });
    await small.close();
  });

  test('an admission that Redis has to be told the script of is no copy of itself, though people join meanwhile', async () => {
    await open(1_000);
    await join('ann');
    let joinedMeanwhile = 0;
    const client: RedisClient = {
      evalsha: async (sha1, keys, ...args) => {
        const answer = redis.evalsha(sha1, keys, ...args);
        if (sha1 !== shaOf(scripts.admitLine)) return answer;
        // Redis does not know the script; before it is told, somebody joins under a higher call number.
        await answer.catch(() => busy.campaign(campaignId).join({ userId: `user-${++joinedMeanwhile}` }));
        return answer;
      },
      eval: (script, keys, ...args) => redis.eval(script, keys, ...args),
    };
    const busy = new CouponIssuer({ redis: client, persistence });
    await busy.campaign(campaignId).join({ userId: 'bob' });
    await redis.script('FLUSH');
    const outcome = await busy
      .campaign(campaignId)
      .admit({ count: 1 })
      .catch((error: unknown) => error);
    expect(outcome).toMatchObject({ admitted: 1, issued: 1 });
    expect(joinedMeanwhile).toBe(1);
    await busy.close();
  });

  test('a stock that is taken away ends the line', async () => {
    await open(5);
    await joinAll(users(2));
    await issuer.campaign(campaignId).restock({ add: -5, requestId: 'none-left' });
    await admit(1);
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ waiting: 0 });
    expect(await issuer.campaign(campaignId).leave({ userId: 'user-1' })).toEqual({ status: 'sold_out' });
  });

  test('an idle worker and people who join do not keep reconcile from judging', async () => {
    await open(100);
    await join('ann');
    await admit(1);
    await issuer.idle();
    await issuer.campaign(campaignId).setPace({ waves: [{ at: new Date(Date.now() + 3_600_000), count: 1 }] });
    const worker = issuer.startWorker({ campaigns: [campaignId], intervalMs: 2 });
    await join('bob');
    const report = await issuer.campaign(campaignId).reconcile();
    await worker.stop();
    expect(report).toMatchObject({ quiet: true, findings: [] });
  });

  test('closed without retention, whoever waits is told, and then the keys go', async () => {
    await open(5);
    await joinAll(users(2));
    const watching = issuer.campaign(campaignId).watch({ userId: 'user-2' });
    await watching.next();
    await issuer.campaign(campaignId).closeForGood({ retainMs: 0 });
    expect((await watching.next()).value).toEqual({ status: 'closed' });
    expect(await redis.exists(key('queue'), key('tickets'))).toBe(0);
    expect(await redis.pttl(key('campaign'))).toBeGreaterThan(0);
    expect(await redis.pttl(key('campaign'))).toBeLessThanOrEqual(60_000);
  });

  test('a request id finds its own answer though an earlier coupon of the user is gone', async () => {
    await open(10, { perUser: 2 });
    await join('ann', 'first');
    await admit(1);
    await join('ann', 'second');
    await admit(1);
    await issuer.idle();
    await redis.hdel(key('grants'), '1:ann');
    await redis.hincrby(key('campaign'), 'issued', -1);
    await redis.hincrby(key('campaign'), 'withdrawn', 1);
    expect(await join('ann', 'second')).toMatchObject({ status: 'issued', issuance: { grant: 2 } });
    await redis.hincrby(key('campaign'), 'withdrawn', -1);
    await redis.hincrby(key('campaign'), 'issued', 1);
    const row = (await rows())[0]!;
    await redis.hset(key('grants'), '1:ann', `i:0:1:${row.issuedAt.getTime()}:${row.id}:`);
  });
});

describe('leaving', () => {
  test('who leaves is none; others move up; who comes again stands at the end', async () => {
    await open(10);
    await joinAll(users(3));
    expect(await issuer.campaign(campaignId).leave({ userId: 'user-1' })).toEqual({ status: 'left' });
    expect(await statusOf('user-1')).toEqual({ status: 'none', issuances: [] });
    expect(await statusOf('user-3')).toMatchObject({ position: 2 });
    expect(await issuer.campaign(campaignId).leave({ userId: 'user-1' })).toEqual({ status: 'left' });
    expect(await issuer.campaign(campaignId).leave({ userId: 'nobody' })).toEqual({ status: 'none' });
    expect(await join('user-1')).toMatchObject({ ticket: 4, position: 3 });
    await admit(10);
    expect(await issuer.campaign(campaignId).leave({ userId: 'user-1' })).toMatchObject({
      status: 'issued',
      issuances: [{ serial: 3 }],
    });
  });

  test('of leave and admit at the same moment exactly one wins', async () => {
    await open(100);
    await joinAll(users(100));
    const other = new CouponIssuer({ redis, persistence, maxBatch: 3 });
    await other.campaign(campaignId).inspect();
    const told: string[] = [];
    const leaving = (async () => {
      for (const userId of users(100).toReversed())
        told.push((await issuer.campaign(campaignId).leave({ userId })).status);
    })();
    await Promise.all([other.campaign(campaignId).admit({ count: 100 }), leaving]);
    await other.idle();
    const left = told.filter((status) => status === 'left').length;
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(100);
    expect(left + (await rows()).length).toBe(100);
    await other.close();
  });
});

describe('the absent', () => {
  const age = async (userId: string, ms: number) => redis.zincrby(key('presence'), -ms, userId);
  /** As if somebody had looked all the time. */
  const looked = (now: number) => redis.hset(key('campaign'), 'sweptAt', String(now), 'graceUntil', '1');

  test('lose their place after absence and grace, and are told so', async () => {
    await open(10, { presenceMs: 1_000 });
    await joinAll(users(3));
    await looked(Date.now());
    await age('user-1', 1_500);
    await age('user-2', 2_500);
    expect(await admit(1)).toMatchObject({ admitted: 1, waiting: 1 });
    expect((await rows()).map(({ userId }) => userId)).toEqual(['user-1']);
    expect(await statusOf('user-2')).toEqual({ status: 'none', issuances: [] });
    expect(await issuer.campaign(campaignId).leave({ userId: 'user-2' })).toEqual({ status: 'absent' });
    expect(await issuer.campaign(campaignId).watch({ userId: 'user-2' }).next()).toEqual({
      done: false,
      value: { status: 'absent' },
    });
    expect(events).toContainEqual({ type: 'places_ended', campaignId, reason: 'absent', count: 1 });
    expect(await join('user-2')).toMatchObject({ ticket: 4, position: 2 });
  });

  test('asking for the status is a sign of life', async () => {
    await open(10, { presenceMs: 1_000 });
    await join('ann');
    await looked(Date.now());
    await age('ann', 5_000);
    await statusOf('ann');
    expect(await admit(1)).toMatchObject({ admitted: 1 });
  });

  test('a time in which nobody looked does not count', async () => {
    await open(10, { presenceMs: 1_000 });
    await join('ann');
    await looked(Date.now() - 60_000);
    await age('ann', 50_000);
    expect(await admit(1)).toMatchObject({ admitted: 1 });
  });
});

describe('the draw', () => {
  test('puts those who joined before the opening in the order of the seed, before all who come later', async () => {
    await open(2_000, { opensAt: new Date(Date.now() + 3_600_000), drawAtOpen: true });
    const early = users(1_200);
    const places = await joinAll(early);
    expect(places[7]).toEqual({ status: 'waiting', ticket: 8, position: null, etaMs: null });
    expect(await admit(10)).toEqual({ status: 'not_open' });
    await redis.hset(key('campaign'), 'opensAt', String(Date.now() - 1));
    expect(await join('late')).toMatchObject({ status: 'waiting', ticket: 1_201 });
    const another = new CouponIssuer({ redis, persistence });
    await Promise.all([admit(700), another.campaign(campaignId).admit({ count: 500 })]);
    await admit(1);
    await another.close();
    const { drawSeed } = await issuer.campaign(campaignId).inspect();
    const order = early.toSorted((a, b) => drawKey(drawSeed!, a) - drawKey(drawSeed!, b));
    expect(order).not.toEqual(early);
    expect((await rows()).map(({ userId }) => userId)).toEqual([...order, 'late']);
    expect(events).toContainEqual({ type: 'drawn', campaignId, seed: drawSeed, count: 1_200 });
  });

  test('more may join before the opening than there are coupons; who is not drawn is sold out', async () => {
    await open(3, { opensAt: new Date(Date.now() + 3_600_000), drawAtOpen: true });
    expect((await joinAll(users(10))).every(({ status }) => status === 'waiting')).toBe(true);
    await redis.hset(key('campaign'), 'opensAt', String(Date.now() - 1));
    expect(await join('late')).toEqual({ status: 'sold_out' });
    await admit(100);
    await issuer.idle();
    await admit(1);
    expect(await rows()).toHaveLength(3);
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ waiting: 0 });
  });
});

describe('watching', () => {
  const collect = async (userId: string, watching = issuer): Promise<WaitingChange[]> => {
    const changes: WaitingChange[] = [];
    for await (const change of watching.campaign(campaignId).watch({ userId })) changes.push(change);
    return changes;
  };

  test('tells the place, how it moves, and the coupon, and ends', async () => {
    await open(10);
    await joinAll(users(3));
    const other = new CouponIssuer({ redis: server.client(), persistence });
    const watching = collect('user-3', other);
    await until(async () => (await redis.pubsub('NUMSUB', key('campaign')))[1] === 1);
    await admit(1);
    await until(async () => (await statusOf('user-3')).status === 'waiting');
    await admit(2);
    const changes = await watching;
    expect(changes[0]).toMatchObject({ status: 'waiting', ticket: 3 });
    expect(changes.at(-1)).toMatchObject({ status: 'issued', issuance: { userId: 'user-3', serial: 3 } });
    const positions = changes.flatMap((change) => (change.status === 'waiting' ? [change.position!] : []));
    expect(positions).toEqual(positions.toSorted((a, b) => b - a));
    await until(async () => (await redis.pubsub('NUMSUB', key('campaign')))[1] === 0);
    await other.close();
  });

  test('says why it ended: left, sold out, closed, or nothing there', async () => {
    await open(1, { overbook: 2 });
    await joinAll(['ann', 'bob', 'cat']);
    const [ann, bob, cat, nobody] = ['ann', 'bob', 'cat', 'nobody'].map((name) => collect(name)) as [
      Promise<WaitingChange[]>,
      Promise<WaitingChange[]>,
      Promise<WaitingChange[]>,
      Promise<WaitingChange[]>,
    ];
    expect(await nobody).toEqual([{ status: 'none' }]);
    await issuer.campaign(campaignId).leave({ userId: 'bob' });
    expect((await bob).at(-1)).toEqual({ status: 'left' });
    await admit(5);
    expect((await ann).at(-1)).toMatchObject({ status: 'issued' });
    await issuer.idle();
    await admit(5);
    expect((await cat).at(-1)).toEqual({ status: 'sold_out' });
  });

  test('ends by its signal, by leaving the loop, and by close()', async () => {
    await open(10);
    await joinAll(['ann']);
    const aborted = new AbortController();
    const first = issuer.campaign(campaignId).watch({ userId: 'ann', signal: aborted.signal });
    expect((await first.next()).value).toMatchObject({ status: 'waiting' });
    const waiting = first.next();
    aborted.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
    for await (const change of issuer.campaign(campaignId).watch({ userId: 'ann' })) {
      expect(change.status).toBe('waiting');
      break;
    }
    await until(async () => (await redis.pubsub('NUMSUB', key('campaign')))[1] === 0);
    const last = issuer.campaign(campaignId).watch({ userId: 'ann' });
    await last.next();
    const end = last.next();
    await issuer.close();
    expect(await end).toEqual({ done: true, value: undefined });
  });
});
