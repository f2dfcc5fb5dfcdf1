import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, type Issuance, NotSavedError } from '../../src/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { dump, fails, recording, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { type NamedDefinition, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuer: CouponIssuer;
let campaigns = 0;
let id: string;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new ScriptedPersistence();
  id = `lost-${++campaigns}`;
  issuer = new CouponIssuer({ redis, persistence });
});

const counted = (total: number): NamedDefinition => ({ id, stock: { kind: 'counted', total } });
const pool = (): NamedDefinition => ({ id, stock: { kind: 'codes' } });
const users = (count: number, prefix = 'user') => Array.from({ length: count }, (_, i) => `${prefix}-${i + 1}`);
const issueTo = (userId: string, by = issuer) => by.campaign(id).issue({ userId });
const issueAll = async (names: string[], by = issuer) => {
  const results = await Promise.all(names.map((userId) => issueTo(userId, by)));
  await by.idle();
  return results.map(({ status }) => status);
};
const rows = () => persistence.rows(id);
const audit = async () => {
  await issuer.idle();
  await checkInvariants({ redis, campaignId: id, rows: await rows(), settled: true });
};
const count = (statuses: string[], status: string) => statuses.filter((one) => one === status).length;
const key = (name: string) => `{coupon:${id}}:${name}`;

describe('after Redis lost everything', () => {
  test('the campaign goes on where the database says, for every process', async () => {
    const other = new CouponIssuer({ redis, persistence });
    await openNamed(issuer, counted(1_500));
    expect(count(await issueAll(users(1_200)), 'issued')).toBe(1_200);
    await issueAll(['warm'], other);
    await redis.flushall();
    expect(await issueTo('late')).toEqual({ status: 'not_ready', reason: 'missing' });
    const phases: string[] = [];
    const result = await rebuildNamed(issuer, counted(1_500), {
      onProgress: ({ phase, done }) => phases.push(`${phase} ${done}`),
    });
    expect(result).toMatchObject({ rows: 1_201, lost: [], campaign: { issued: 1_201, available: 299, reserved: 0 } });
    expect(phases).toEqual(['rows 500', 'rows 1000', 'rows 1201']);
    expect(await issueTo('user-7', other)).toMatchObject({ status: 'already_issued' });
    expect(count(await issueAll(users(400, 'late'), other), 'issued')).toBe(299);
    await audit();
  });

  test('a pool is filled again with the codes that nobody has, in their old places', async () => {
    const codes = users(1_200, 'CODE');
    await openNamed(issuer, pool());
    await issuer.campaign(id).loadCodes(codes);
    await issueAll(users(700));
    const before = await redis.lrange(key('pool'), 0, -1);
    await redis.flushall();
    const { campaign } = await rebuildNamed(issuer, pool(), { codes: [...codes, 'CODE-1', ...codes] });
    expect(campaign).toMatchObject({ total: 1_200, available: 500, issued: 700 });
    expect(await redis.lrange(key('pool'), 0, -1)).toEqual(before);
    expect(await issuer.campaign(id).loadCodes(codes)).toMatchObject({ loaded: 0, duplicates: 1_200 });
    expect(count(await issueAll(users(600, 'late')), 'issued')).toBe(500);
    await audit();
  });

  test('a campaign that is made paused serves nobody before it is resumed, and a rebuild without the option keeps the pause', async () => {
    await openNamed(issuer, counted(2));
    await issueTo('first');
    await issuer.idle();
    await redis.flushall();
    for (const paused of [true, undefined]) {
      const { campaign } = await rebuildNamed(issuer, counted(2), { paused });
      expect(campaign).toMatchObject({ state: 'paused', available: 1, issued: 1 });
      expect(await issueTo('early')).toEqual({ status: 'paused' });
    }
    await issuer.campaign(id).resume();
    expect(await issueTo('early')).toMatchObject({ status: 'issued' });
    await audit();
  });

  test('a serial that no row has is given out again', async () => {
    await openNamed(issuer, counted(6));
    await issueAll(users(3));
    persistence.next(fails(new NotSavedError('no', { wholeBatch: true })));
    await Promise.allSettled([issueTo('unlucky')]);
    await issueAll(['user-5']);
    const all = await rows();
    await redis.flushall();
    persistence.list = async (_, { afterSerial }) => all.filter(({ serial }) => serial > afterSerial && serial !== 2);
    await rebuildNamed(issuer, counted(6));
    expect(await redis.lrange(key('returned'), 0, -1)).toEqual(['2']);
    expect(await issuer.campaign(id).inspect()).toMatchObject({ issued: 3, available: 3 });
  });

  test('rows above the total of the definition are refused, and a larger total goes on', async () => {
    await openNamed(issuer, counted(20));
    await issueAll(users(20));
    await redis.flushall();
    await expect(rebuildNamed(issuer, counted(10))).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
    expect(await issueTo('late')).toEqual({ status: 'not_ready', reason: 'rebuilding' });
    expect(await rebuildNamed(issuer, counted(20))).toMatchObject({ campaign: { issued: 20, available: 0 } });
    await audit();
  });

  test('rows above a total from which a restock had taken units away: the cure of the error offers no unit again', async () => {
    await openNamed(issuer, counted(10));
    await issueAll(users(10));
    // The first five came back, and were taken away.
    const saved = (await rows()).filter(({ serial }) => serial > 5);
    persistence = new ScriptedPersistence();
    await persistence.memory.save(saved);
    issuer = new CouponIssuer({ redis, persistence });
    await redis.flushall();
    await expect(rebuildNamed(issuer, counted(5))).rejects.toThrow(/rebuild it paused, and take them away again/);
    const { campaign } = await rebuildNamed(issuer, counted(10), { paused: true });
    expect(campaign).toMatchObject({ state: 'paused', issued: 5, available: 5 });
    await issuer.campaign(id).restock({ add: -5, requestId: 'again' });
    await issuer.campaign(id).resume();
    expect(await issueTo('late')).toMatchObject({ status: 'sold_out' });
    await audit();
  });

  test('a coupon that was issued without a database stays issued while a database is brought in', async () => {
    const bare = new CouponIssuer({ redis });
    await openNamed(bare, counted(6));
    await bare.campaign(id).issue({ userId: 'ann', requestId: 'one' });
    const during: unknown[] = [];
    persistence.list = async () => {
      during.push(await issuer.campaign(id).issue({ userId: 'ann', requestId: 'one' }));
      return [];
    };
    await rebuildNamed(issuer, counted(6));
    expect(during).toMatchObject([{ status: 'issued', replayed: true, issuance: { serial: 1 } }]);
    await issuer.campaign(id).settle();
    await audit();
  });

  test('without a list nobody knows what was issued, and nothing is written', async () => {
    const blind = new CouponIssuer({ redis, persistence: { save: (issuances) => persistence.save(issuances) } });
    await expect(rebuildNamed(blind, counted(3))).rejects.toMatchObject({ code: 'MISCONFIGURED' });
    expect(await dump(redis)).toEqual({});
  });
});

describe('what Redis still knows is kept', () => {
  const behind = (total: number): NamedDefinition => ({ ...counted(total), saveMode: 'write-behind' });

  test('whoever was told accepted still gets a coupon, with the same serial', async () => {
    await openNamed(issuer, behind(1_000));
    const accepted = await Promise.all(users(700).map((userId) => issueTo(userId)));
    const result = await rebuildNamed(issuer, behind(1_000));
    expect(result).toMatchObject({ rows: 0, lost: [], campaign: { reserved: 700, issued: 0, available: 300 } });
    expect(await issuer.campaign(id).settle()).toMatchObject({ settled: 700 });
    const serials = new Map((await rows()).map((row) => [row.userId, row.serial]));
    for (const one of accepted) {
      if (one.status !== 'accepted') throw new Error(one.status);
      expect(serials.get(one.issuance.userId)).toBe(one.issuance.serial);
    }
    await audit();
  });

  test('a row wins over what was promised for its unit or to its user, and who lost a unit gets another', async () => {
    await openNamed(issuer, behind(10));
    for (const userId of users(5)) await issueTo(userId);
    const row = (userId: string, serial: number, rowId: string): Issuance => ({
      id: rowId.padEnd(22, '0'),
      campaignId: id,
      userId,
      grant: 1,
      serial,
      code: null,
      issuedAt: new Date(1),
      epoch: '1-x',
      state: 'issued',
    });
    // user-1's unit went to a stranger; user-4 has another unit than promised; user-2 has exactly what was promised.
    const promised = (await issuer.campaign(id).userStatus({ userId: 'user-2' })).issuances[0]!;
    await persistence.memory.save([row('stranger', 1, 'a'), { ...promised, state: 'issued' }, row('user-4', 7, 'c')]);
    const result = await rebuildNamed(issuer, behind(10));
    expect(result).toMatchObject({ rows: 3, lost: [], campaign: { issued: 3, reserved: 3, available: 4 } });
    await issuer.campaign(id).settle();
    const held = new Map((await rows()).map(({ userId, serial }) => [userId, serial]));
    expect(held.get('stranger')).toBe(1);
    expect(held.get('user-3')).toBe(3);
    expect(held.get('user-4')).toBe(7);
    expect(held.get('user-5')).toBe(5);
    expect(held.get('user-1')).toBe(4);
    await audit();
  });

  test('if nothing is left for somebody who was promised a unit, the result names them', async () => {
    await openNamed(issuer, behind(2));
    await issueAll(users(2));
    const stranger = {
      id: 'a'.padEnd(22, '0'),
      campaignId: id,
      userId: 'stranger',
      grant: 1,
      serial: 1,
      code: null,
      issuedAt: new Date(1),
      epoch: '1-x',
      state: 'issued',
    } as const;
    await persistence.memory.save([stranger]);
    const { lost } = await rebuildNamed(issuer, behind(2));
    expect(lost).toHaveLength(1);
    expect(['user-1', 'user-2']).toContain(lost[0]!.userId);
    await issuer.campaign(id).settle();
    await audit();
  });

  test('a process that lacks a hook of the campaign changes nothing', async () => {
    const delivering = new CouponIssuer({ redis, persistence, deliver: () => {} });
    await openNamed(delivering, counted(5));
    await issueAll(users(2), delivering);
    const before = await redis.hgetall(key('campaign'));
    await expect(rebuildNamed(issuer, counted(5))).rejects.toMatchObject({
      code: 'MISCONFIGURED',
      message: expect.stringMatching(
        /has deliver and persistence, and this issuer lacks one of them: nothing was changed/,
      ),
    });
    expect(await redis.hgetall(key('campaign'))).toEqual(before);
    expect(await rebuildNamed(delivering, counted(5))).toMatchObject({ rows: 2 });
    await audit();
  });

  test('if too little is left, those who were promised a unit first get it', async () => {
    await openNamed(issuer, behind(25));
    // By their names the last ones came first.
    const names = users(20).sort().reverse();
    for (const userId of names) await issueTo(userId);
    const strangers = Array.from({ length: 20 }, (_, i): Issuance => {
      const row = { campaignId: id, userId: `stranger-${i}`, grant: 1, serial: i + 1, code: null };
      return { ...row, id: String(i).padEnd(22, 'a'), issuedAt: new Date(1), epoch: '1-x', state: 'issued' };
    });
    await persistence.memory.save(strangers);
    const { lost } = await rebuildNamed(issuer, behind(25));
    expect(lost.map(({ userId }) => userId)).toEqual(names.slice(5));
    await issuer.campaign(id).settle();
    await audit();
  });

  test('a pause, the close and what was restocked survive, and so do withdrawals by restock', async () => {
    await openNamed(issuer, counted(5));
    await issueAll(users(5));
    await issuer.campaign(id).restock({ add: 3, requestId: 'more' });
    await issuer.campaign(id).pause();
    await redis.del(key('grants'));
    expect(await issueTo('late')).toEqual({ status: 'not_ready', reason: 'missing' });
    const { campaign } = await rebuildNamed(issuer, counted(5));
    expect(campaign).toMatchObject({ state: 'paused', total: 8, available: 3, issued: 5 });
    await issuer.campaign(id).restock({ add: 3, requestId: 'more' });
    expect(await issuer.campaign(id).inspect()).toMatchObject({ total: 8 });
    await issuer.campaign(id).resume();
    await audit();
  });

  test('a key of the wrong type does not stand in the way', async () => {
    await openNamed(issuer, counted(5));
    await issueAll(users(2));
    for (const name of ['grants', 'leases', 'senders', 'returned']) {
      await redis.del(key(name));
      await redis.set(key(name), 'nonsense');
    }
    await rebuildNamed(issuer, counted(5));
    expect(count(await issueAll(users(6)), 'issued')).toBe(3);
    await audit();
  });
});

describe('while it is under way', () => {
  test('nothing serves and nothing is acted on, and it goes on where it stopped', async () => {
    await openNamed(issuer, counted(3_000));
    await issueAll(users(2_000));
    await redis.flushall();
    let pages = 0;
    const list = persistence.list.bind(persistence);
    persistence.list = async (campaign, options) => {
      if (++pages === 3) throw new Error('the database went away');
      return list(campaign, options);
    };
    await expect(rebuildNamed(issuer, counted(3_000))).rejects.toMatchObject({ code: 'HOOK' });
    const fresh = new CouponIssuer({ redis, persistence });
    for (const one of [issuer, fresh]) {
      expect(await issueTo('late', one)).toEqual({ status: 'not_ready', reason: 'rebuilding' });
      await expect(one.campaign(id).settle()).rejects.toMatchObject({ code: 'NOT_READY', reason: 'rebuilding' });
      await expect(one.campaign(id).pause()).rejects.toMatchObject({ code: 'NOT_READY', reason: 'rebuilding' });
      await expect(one.campaign(id).closeForGood()).rejects.toMatchObject({ code: 'NOT_READY' });
      await expect(one.campaign(id).purge()).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
      await expect(one.campaign(id).restock({ add: 1, requestId: 'a' })).rejects.toMatchObject({ code: 'NOT_READY' });
      await expect(openNamed(one, counted(3_000))).rejects.toMatchObject({ code: 'NOT_READY' });
    }
    const { rows: written } = await rebuildNamed(fresh, counted(3_000));
    expect(written).toBe(1_000);
    expect(count(await issueAll(users(1_100, 'late')), 'issued')).toBe(1_000);
    await audit();
  });

  test('of two rebuilds at once one ends, and the state is right', async () => {
    await openNamed(issuer, counted(3_000));
    await issueAll(users(2_000));
    await redis.flushall();
    const other = new CouponIssuer({ redis, persistence });
    const outcomes = await Promise.allSettled([
      rebuildNamed(issuer, counted(3_000)),
      rebuildNamed(other, counted(3_000)),
    ]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
    }
    expect(count(await issueAll(users(1_100, 'late')), 'issued')).toBe(1_000);
    await audit();
  });

  test.each([1, 2, 3, 4])(
    'a Redis that goes back under it, at its page %i, does not come to serve half of it',
    async (back) => {
      await openNamed(issuer, counted(3_000));
      await issueAll(users(2_000));
      await redis.flushall();
      const list = persistence.list.bind(persistence);
      let pages = 0;
      let saved: (readonly [string, Buffer])[] = [];
      persistence.list = async (campaign, options) => {
        pages++;
        if (pages === back) {
          const names = await redis.keys('*');
          saved = await Promise.all(names.map(async (name) => [name, await redis.dumpBuffer(name)] as const));
        }
        if (pages === 5) for (const [name, value] of saved) await redis.restore(name, 0, value, 'REPLACE');
        return list(campaign, options);
      };
      await expect(rebuildNamed(issuer, counted(3_000))).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
      expect(pages).toBe(5);
      expect(await issueTo('late')).toEqual({ status: 'not_ready', reason: 'rebuilding' });
      await rebuildNamed(issuer, counted(3_000));
      expect(count(await issueAll(users(1_100, 'late')), 'issued')).toBe(1_000);
      await audit();
    },
  );

  test('a save of the old epoch that lands late takes nothing from anybody', async () => {
    await openNamed(issuer, counted(3));
    const end = persistence.hold();
    const reached = persistence.reached();
    const slow = issueTo('slow').catch((error: unknown) => error);
    await reached;
    await redis.flushall();
    const other = new CouponIssuer({ redis, persistence });
    await rebuildNamed(other, counted(3));
    const results = await issueAll(['ann', 'bob'], other);
    expect(results).toEqual(['issued', 'issued']);
    end();
    await slow;
    await issuer.idle();
    const all = await rows();
    expect(all.length).toBeLessThanOrEqual(3);
    const late = await issueAll(['cho', 'dee', 'slow'], other);
    expect((await rows()).length).toBe(3);
    expect(count(late, 'issued') + count(late, 'already_issued')).toBeGreaterThan(0);
  });

  test('every script of a rebuild may run twice, at once or at the very end, and changes nothing the second time', async () => {
    await openNamed(issuer, pool());
    await issuer.campaign(id).loadCodes(users(30, 'CODE'));
    await issueAll(users(12));
    const end = persistence.hold();
    const reached = persistence.reached();
    const slow = issueTo('slow').catch((error: unknown) => error);
    await reached;
    const client = recording(redis);
    // But for the keys of all campaigns: a generation that is skipped, a later mark of a registration, and a later instant
    // before which the note of an end is too late harm nobody.
    const state = async () => {
      return Object.fromEntries(Object.entries(await dump(redis)).filter(([name]) => name.startsWith('{')));
    };
    const doubled = {
      ...client,
      evalsha: async (...args: Parameters<typeof client.evalsha>) => {
        const reply = await client.evalsha(...args);
        const before = await state();
        await client.calls.at(-1)!.replay();
        expect(await state()).toEqual(before);
        return reply;
      },
    };
    await rebuildNamed(new CouponIssuer({ redis: doubled, persistence }), pool(), { codes: users(30, 'CODE') });
    const before = await state();
    for (const { replay } of client.calls) await replay();
    expect(await state()).toEqual(before);
    expect(client.calls.length).toBeGreaterThan(8);
    end();
    await slow;
    await issuer.idle();
    await expireLeases(redis, id);
    await issuer.campaign(id).settle();
    await audit();
  });
});

test('after a rollback the rebuild puts back what the database gave out, and the process that saw more follows', async () => {
  await openNamed(issuer, counted(100));
  await issueAll(users(20));
  const old = await Promise.all(
    (await redis.keys('*')).map(async (name) => [name, await redis.dumpBuffer(name)] as const),
  );
  await issueAll(users(60));
  await redis.flushall();
  for (const [name, value] of old) await redis.restore(name, 0, value);
  expect(await issueTo('late')).toEqual({ status: 'not_ready', reason: 'rolled_back' });
  const status = issuer.campaign(id).userStatus({ userId: 'user-60' });
  await expect(status).rejects.toMatchObject({ code: 'NOT_READY', reason: 'rolled_back' });
  const operator = new CouponIssuer({ redis, persistence });
  await rebuildNamed(operator, counted(100));
  expect(count(await issueAll(users(60)), 'already_issued')).toBe(60);
  expect(count(await issueAll(users(50, 'late')), 'issued')).toBe(40);
  await audit();
});

test('a campaign that is rebuilt again and again only ever goes to a higher generation', async () => {
  await openNamed(issuer, counted(5));
  const epochs = [(await issuer.campaign(id).inspect()).epoch];
  for (let i = 0; i < 3; i++) {
    await redis.flushall();
    epochs.push((await rebuildNamed(new CouponIssuer({ redis, persistence }), counted(5))).campaign.epoch);
    await until(async () => Number((await redis.time())[1]) >= 0);
  }
  const generations = epochs.map((epoch) => Number.parseInt(epoch, 10));
  expect(generations).toEqual([...generations].sort((a, b) => a - b));
  expect(await issueAll(['ann'])).toEqual(['issued']);
});

test.each([
  ['codes for a counted campaign', () => rebuildNamed(issuer, counted(3), { codes: ['A'] })],
  ['an unknown option', () => rebuildNamed(issuer, counted(3), { force: true } as never)],
  ['a bad code', () => rebuildNamed(issuer, pool(), { codes: ['A', ''] })],
  ['a bad definition', () => rebuildNamed(issuer, { id } as never)],
])('%s is refused before any I/O', async (_, call) => {
  await expect(call()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(await dump(redis)).toEqual({});
});
