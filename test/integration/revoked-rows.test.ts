import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Campaign, CouponIssuer, type Issuance, type ReconcileOptions, type Stock } from '../../src/index.js';
import { announceRevokes, findAnnounced, takeBack, unitOf } from '../../src/redis/revoke.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { dump, fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { type RevokedHow, revokeRow, shardOf } from '../support/scenes/revoking.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuer: CouponIssuer;
let launch: Campaign;
let stock: Stock;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new ScriptedPersistence();
  issuer = new CouponIssuer({ redis, persistence });
  launch = issuer.campaign('launch');
});

const CODES = Array.from({ length: 11 }, (_, i) => `CODE-${i + 1}`);
const key = (name: string) => `{coupon:launch}:${name}`;
const rows = () => persistence.rows('launch');
const rowOf = async (userId: string) => (await rows()).find((row) => row.userId === userId)!;
const shard = () => shardOf(redis, 'launch');
const issue = (userId: string, requestId = 'first') => launch.issue({ userId, requestId });
const recordOf = (userId: string) => redis.hget(key('grants'), `1:${userId}`);
const revoke = async (userId: string, how: RevokedHow = {}) => revokeRow(persistence.memory, await rowOf(userId), how);
const takeBackOf = async (...revoked: Issuance[]) => takeBack(await shard(), revoked.map(unitOf));
const kindsOf = async (options: ReconcileOptions = {}) =>
  (await launch.reconcile(options)).findings.map(({ kind, cure, repaired }) => `${kind} ${cure} ${repaired}`);
const audit = async () => {
  await issuer.idle();
  await checkInvariants({ redis, campaignId: 'launch', rows: await rows(), settled: true });
};

/** One coupon for each of 8 users; `kept` stays revoked, `freed` may have another one, two units were returned. */
async function withRevoked(of: Stock, isTakenBack = true): Promise<Issuance[]> {
  stock = of;
  await launch.open({ stock });
  if (stock.kind === 'codes') await launch.loadCodes(CODES);
  for (const userId of ['kept', 'kept-returned', 'freed', 'freed-returned', 'a', 'b', 'c', 'd']) await issue(userId);
  await issuer.idle();
  const returned = stock.kind !== 'codes';
  const revoked = [
    await revoke('kept'),
    await revoke('kept-returned', { returned }),
    await revoke('freed', { again: true }),
    await revoke('freed-returned', { again: true, returned }),
  ];
  if (isTakenBack) expect(await takeBackOf(...revoked)).toEqual(revoked.map(() => 'taken_back'));
  return revoked;
}

const counted: Stock = { kind: 'counted', total: 11 };
const rebuild = () =>
  stock.kind === 'codes' ? launch.rebuild({ stock }, { codes: CODES }) : launch.rebuild({ stock });

describe('after Redis lost everything, a rebuild', () => {
  test('counts the units of revoked coupons as before, also those above the total', async () => {
    await withRevoked(counted);
    for (const userId of ['late-1', 'late-2', 'late-3', 'late-4']) expect((await issue(userId)).status).toBe('issued');
    await issuer.idle();
    expect((await rowOf('late-4')).serial).toBe(12);
    const before = await launch.inspect();
    expect(before).toMatchObject({ total: 11, available: 1, issued: 10, revoked: 2, withdrawn: 2, replaced: 2 });
    await redis.flushall();
    const { campaign } = await rebuild();
    expect(campaign).toEqual({ ...before, epoch: campaign.epoch });
    expect(await kindsOf()).toEqual([]);
    expect(await recordOf('kept')).toMatch(/^i1:0:1:/);
    expect((await issue('kept', 'second')).status).toBe('already_issued');
    expect((await issue('freed')).status).toBe('revoked');
    await issuer.idle();
    expect((await issue('freed', 'second')).status).toBe('issued');
    expect((await issue('freed-returned', 'second')).status).toBe('sold_out');
    await audit();
  });

  test.each<Stock>([{ kind: 'codes' }, { kind: 'unlimited' }])(
    'knows them in a campaign of $kind stock',
    async (of) => {
      await withRevoked(of);
      const before = await launch.inspect();
      await redis.flushall();
      const { campaign } = await rebuild();
      expect(campaign).toEqual({ ...before, epoch: campaign.epoch });
      expect(await kindsOf()).toEqual([]);
      const freedCode = (await rowOf('freed')).code;
      const issued = await issue('freed', 'second');
      expect(issued).toMatchObject({ status: 'issued' });
      if (of.kind === 'codes' && issued.status === 'issued') expect(issued.issuance.code).not.toBe(freedCode);
      await audit();
    },
  );

  test('twice gives the same state, as does one over a campaign that Redis still has', async () => {
    await withRevoked(counted);
    await launch.restock({ add: 4, requestId: 'more' });
    const before = await launch.inspect();
    expect(before).toMatchObject({ total: 15, available: 9 });
    for (let time = 0; time < 2; time++) {
      const { campaign } = await rebuild();
      expect(campaign).toEqual({ ...before, epoch: campaign.epoch });
    }
    await audit();
  });
});

describe('a coupon that is revoked while the campaign is made again', () => {
  /** Runs once the first page of rows was read, or just before it. */
  function during(when: 'before' | 'after', act: () => Promise<void>): void {
    const { memory } = persistence;
    let acted = false;
    persistence.list = async (campaignId, options) => {
      const once = async () => {
        if (!acted) await act();
        acted = true;
      };
      if (when === 'before') await once();
      const page = await memory.list(campaignId, options);
      if (when === 'after') await once();
      return page;
    };
  }

  test.each([
    ['before', 'before', 'gone'],
    ['after', 'taken_back', 'taken_back'],
  ] as const)('%s its row is read is taken back afterwards, once', async (when, keptWord, freedWord) => {
    await withRevoked(counted);
    const revoked: Issuance[] = [];
    during(when, async () => {
      const middle = await shard();
      const [a, b] = [await rowOf('a'), await rowOf('b')];
      const announced = [a, b].map(({ id, userId, serial }) => ({ id, userId, serial, version: 0 }));
      expect(await announceRevokes(middle, announced)).toBe('announced');
      revoked.push(await revoke('a', { returned: true }), await revoke('b', { again: true, returned: true }));
      expect(await takeBack(middle, revoked.map(unitOf))).toBe('rebuilding');
    });
    await rebuild();
    expect(await redis.hget(key('campaign'), 'revoking')).toBe('2');
    for (const { id, userId, serial } of revoked)
      await redis.hset(key('campaign'), `revoking:${id}`, `0:1:${serial}:${userId}`);
    const found = await findAnnounced(await shard(), 10);
    expect((found as { id: string }[]).map(({ id }) => id).sort()).toEqual(revoked.map(({ id }) => id).sort());
    expect(await takeBackOf(...revoked)).toEqual([keptWord, freedWord]);
    expect(await launch.inspect()).toMatchObject({ total: 11, replaced: 4, revoked: 3, withdrawn: 3, available: 7 });
    expect(await redis.hget(key('campaign'), 'revoking')).toBe('0');
    expect(await kindsOf()).toEqual([]);
    await audit();
  });
});

/** A Redis that went back to before the take-back does not know the id. */
async function forgetFreed(): Promise<void> {
  const names = (await redis.hkeys(key('campaign'))).filter((name) => name.startsWith('freed'));
  expect(names.length).toBeGreaterThan(1);
  await redis.hdel(key('campaign'), ...names);
}

test('where Redis has forgotten a freed id, the row says that its coupon is revoked, and the unit goes back', async () => {
  await withRevoked(counted);
  const before = await launch.inspect();
  await forgetFreed();
  expect((await issue('freed')).status).toBe('revoked');
  expect(await recordOf('freed')).toBeNull();
  expect(await launch.inspect()).toMatchObject({ available: before.available, withdrawn: before.withdrawn });
  // The row was met, so Redis knows the id again.
  expect((await issue('freed')).status).toBe('revoked');
  await audit();
});

test('a promise of before whose id has the row of a freed coupon is dropped, and its unit is free', async () => {
  await withRevoked(counted);
  await forgetFreed();
  persistence.next(...Array.from({ length: 20 }, () => fails(new Error('the reply is lost'))));
  expect((await issue('freed')).status).toBe('accepted');
  expect(await recordOf('freed')).toMatch(/^[rt]/);
  const { campaign, lost } = await rebuild();
  expect(lost).toEqual([]);
  expect(campaign).toMatchObject({ reserved: 0, issued: 6, withdrawn: 2, available: 5 });
  expect(await recordOf('freed')).toBeNull();
  await audit();
});

describe('a comparison of Redis with the database', () => {
  const all: Stock[] = [counted, { kind: 'codes' }, { kind: 'unlimited' }];

  test.each(all)('finds no fault in revoked coupons that were taken back ($kind)', async (of) => {
    await withRevoked(of);
    const before = await dump(redis);
    expect(await kindsOf({ repair: 'safe' })).toEqual([]);
    expect(await dump(redis)).toEqual(before);
  });

  test.each(all)('finds each revoked coupon that was not taken back, and a repair does so once ($kind)', async (of) => {
    const revoked = await withRevoked(of, false);
    const missed = (repaired: boolean) => revoked.map(() => `revoked_in_database repair ${repaired}`);
    const before = await dump(redis);
    expect(await kindsOf()).toEqual(missed(false));
    expect(await dump(redis)).toEqual(before);
    expect(await kindsOf({ repair: 'safe' })).toEqual(missed(true));
    const replaced = of.kind === 'counted' ? 2 : 0;
    expect(await launch.inspect()).toMatchObject({ issued: 6, revoked: 2, withdrawn: 2, replaced });
    expect(await kindsOf()).toEqual([]);
    await audit();
  });

  test('finds a reservation whose row is revoked, and the row itself ends it', async () => {
    stock = counted;
    await launch.open({ stock });
    persistence.next(async (issuances, memory) => {
      await memory.save(issuances);
      throw new Error('the reply is lost');
    });
    persistence.next(...Array.from({ length: 20 }, () => fails(new Error('the reply is lost'))));
    expect((await issue('kim')).status).toBe('accepted');
    await revoke('kim', { returned: true });
    expect(await kindsOf()).toEqual(['revoked_in_database repair false']);
    persistence.next(...Array.from({ length: 20 }, () => fails(new Error('the database is away'))));
    expect(await kindsOf({ repair: 'safe' })).toEqual(['revoked_in_database repair true']);
    expect(await launch.inspect()).toMatchObject({ reserved: 0, issued: 1, revoked: 1, replaced: 1, available: 11 });
    await audit();
  });

  test('finds the unit of a freed coupon that Redis offers anew, because it went back', async () => {
    await withRevoked(counted);
    const { serial } = await rowOf('freed-returned');
    await redis.rpush(key('returned'), String(serial));
    await redis.hincrby(key('campaign'), 'returned', 1);
    await redis.hincrby(key('campaign'), 'withdrawn', -1);
    await redis.hincrby(key('campaign'), 'replaced', -1);
    await redis.hincrby(key('campaign'), 'total', -1);
    expect(await kindsOf({ repair: 'safe' })).toEqual(['revoked_in_database repair true']);
    expect(await launch.inspect()).toMatchObject({ total: 11, withdrawn: 2, replaced: 2, available: 5 });
    expect(await kindsOf()).toEqual([]);
    await audit();
  });

  test('writes a revoked row back that Redis has no grant of', async () => {
    await withRevoked(counted);
    const { serial } = await rowOf('kept-returned');
    await redis.hdel(key('grants'), '1:kept-returned');
    await redis.rpush(key('returned'), String(serial));
    for (const [name, by] of Object.entries({ returned: 1, issued: -1, revoked: -1, replaced: -1, total: -1 }))
      await redis.hincrby(key('campaign'), name, by);
    expect(await kindsOf({ repair: 'safe' })).toEqual(['row_without_grant repair true']);
    expect(await recordOf('kept-returned')).toMatch(/^i1:/);
    expect(await kindsOf()).toEqual([]);
    await audit();
  });

  test.each([
    ['replaced', 'total', 1],
    ['revoked', 'none', 1],
  ])('finds %s counted wrong, and a rebuild counts it anew', async (counter, other, by) => {
    await withRevoked(counted);
    await redis.hincrby(key('campaign'), counter, by);
    if (other !== 'none') await redis.hincrby(key('campaign'), other, by);
    expect(await kindsOf()).toEqual(['counter_wrong rebuild false']);
    await rebuild();
    expect(await kindsOf()).toEqual([]);
  });

  test('leaves a marked grant to an operator whose row is not revoked', async () => {
    await withRevoked(counted);
    const { id, userId, serial } = await rowOf('a');
    await takeBack(await shard(), [{ id, userId, serial, frees: false, returns: false }]);
    expect(await kindsOf({ repair: 'safe' })).toEqual(['row_differs look false']);
  });

  test('saves no coupon again that was revoked, and whose row is lost', async () => {
    await withRevoked(counted);
    const [kept, ...others] = await rows();
    persistence.list = async (_, { afterSerial, limit }) =>
      others.filter(({ serial }) => serial > afterSerial).slice(0, limit);
    expect(kept!.userId).toBe('kept');
    expect(await kindsOf({ repair: 'safe' })).toEqual(['grant_without_row rebuild false']);
    await rebuild();
    expect(await kindsOf()).toEqual([]);
    expect((await launch.inspect()).revoked).toBe(1);
  });

  test('finds nothing wrong while coupons are issued and revoked', async () => {
    stock = { kind: 'counted', total: 2_000 };
    await launch.open({ stock });
    await Promise.all(Array.from({ length: 600 }, (_, i) => issue(`user-${i}`)));
    const own = await shard();
    const revoking = (await rows()).map(async (row, i) => {
      const revoked = await revokeRow(persistence.memory, row, { again: i % 2 === 0, returned: i % 3 === 0 });
      await takeBack(own, [unitOf(revoked)]);
    });
    const issuing = Array.from({ length: 600 }, (_, i) => issue(`late-${i}`));
    expect((await launch.reconcile({ repair: 'safe' })).findings.filter(({ repaired }) => !repaired)).toEqual([]);
    await Promise.all([...revoking, ...issuing]);
    await expireLeases(redis, 'launch');
    expect(await kindsOf()).toEqual([]);
    await audit();
  });
});
