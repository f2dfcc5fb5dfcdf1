import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, NotSavedError, type RedisClient } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { fails, loadScripts, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { issueNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const ID = 'launch';
const REQUEST = { campaignId: ID, userId: 'ann', requestId: 'one' };
let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let first: CouponIssuer;
let second: CouponIssuer;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new ScriptedPersistence();
  first = new CouponIssuer({ redis, persistence });
  second = new CouponIssuer({ redis, persistence });
  await first.campaign(ID).open({ stock: { kind: 'counted', total: 2 } });
});

const audit = async () => checkInvariants({ redis, campaignId: ID, rows: await persistence.rows(ID), settled: true });

/** Starts a call and returns once its save has reached the database, where it waits for `end`. */
async function held(issuer: CouponIssuer) {
  const end = persistence.hold();
  const saving = persistence.reached();
  const told = issueNamed(issuer, REQUEST).catch((error: unknown) => error);
  await saving;
  return { told, end };
}

test('who was overtaken cannot give the unit back: accepted, and the second caller gets it', async () => {
  const one = await held(first);
  const two = await held(second);
  one.end(new NotSavedError('no'));
  expect(await one.told).toMatchObject({ status: 'accepted' });
  expect(await first.campaign(ID).inspect()).toMatchObject({ available: 1, reserved: 1 });
  two.end();
  expect(await two.told).toMatchObject({ status: 'issued', issuance: { serial: 1 } });
  await second.idle();
  await audit();
});

test('who took over cannot give the unit back either: the first caller is told issued, and has its row', async () => {
  const one = await held(first);
  persistence.next(fails(new NotSavedError('no')));
  expect(await issueNamed(second, REQUEST)).toMatchObject({ status: 'accepted' });
  expect(await first.campaign(ID).inspect()).toMatchObject({ available: 1, reserved: 1 });
  one.end();
  expect(await one.told).toMatchObject({ status: 'issued', issuance: { serial: 1 } });
  await first.idle();
  expect(await first.campaign(ID).inspect()).toMatchObject({ reserved: 1, issued: 0 });
  await expireLeases(redis, ID);
  expect(await second.campaign(ID).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  expect(await persistence.rows(ID)).toHaveLength(1);
  await audit();
});

test('who was overtaken by settle and then fails is told issued, with the unit that settle saved', async () => {
  const one = await held(first);
  await expireLeases(redis, ID);
  expect(await second.campaign(ID).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  one.end(new NotSavedError('no'));
  expect(await one.told).toMatchObject({ status: 'issued', issuance: { serial: 1, state: 'issued' } });
  await audit();
});

test("a call that Redis sees late, after a later one of its sender, shares nobody's stamp: it takes over", async () => {
  const one = await held(first);
  const calls: (() => Promise<unknown>)[] = [];
  const late = new CouponIssuer({
    redis: {
      // The first reserve is overtaken by the second one on its way.
      evalsha: async (sha1, count, ...args) => {
        if (sha1 !== shaOf(scripts.reserve) || calls.length > 0) return redis.evalsha(sha1, count, ...args);
        calls.push(() => redis.evalsha(sha1, count, ...args));
        await late.campaign(ID).issue({ userId: 'bob' });
        return calls[0]!();
      },
      eval: (source, count, ...args) => redis.eval(source, count, ...args),
    },
    persistence,
  });
  await loadScripts(redis);
  persistence.next((issuances, memory) => memory.save(issuances));
  persistence.next(fails(new Error('lost')), fails(new Error('lost')));
  expect(await issueNamed(late, REQUEST)).toMatchObject({ status: 'accepted' });
  one.end(new NotSavedError('no'));
  expect(await one.told).toMatchObject({ status: 'accepted' });
  await expireLeases(redis, ID);
  expect(await second.campaign(ID).settle()).toMatchObject({ settled: 1 });
  expect(await persistence.rows(ID)).toHaveLength(2);
  await audit();
});

test('a repeated release that meets another call, which took the unit anew, promises nothing', async () => {
  await loadScripts(redis);
  let repeat = () => {};
  const released = new Promise<void>((released) => {
    first = new CouponIssuer({
      redis: {
        evalsha: async (sha1, count, ...args) => {
          if (sha1 !== shaOf(scripts.release)) return redis.evalsha(sha1, count, ...args);
          // The reply of the first copy is lost; the second one runs when the test says so.
          await redis.evalsha(sha1, count, ...args);
          const repeated = new Promise<void>((resolve) => {
            repeat = resolve;
          });
          released();
          await repeated;
          return redis.evalsha(sha1, count, ...args);
        },
        eval: (source, count, ...args) => redis.eval(source, count, ...args),
      },
      persistence,
    });
  });
  persistence.next(fails(new NotSavedError('no')));
  const one = issueNamed(first, REQUEST).catch((error: unknown) => error);
  await released;
  const two = await held(second);
  repeat();
  expect(await one).toMatchObject({ code: 'REDIS', outcome: 'unknown' });
  two.end(new NotSavedError('no'));
  expect(await two.told).toMatchObject({ code: 'NOT_ISSUED' });
  expect(await second.campaign(ID).inspect()).toMatchObject({ available: 2, reserved: 0 });
  await audit();
});

test('a call that was sent again and then refused by Redis is not told that nothing changed', async () => {
  await loadScripts(redis);
  const reserves: string[][] = [];
  const unlucky = new CouponIssuer({
    redis: {
      stream: {},
      evalsha: async (sha1: string, count: number, ...args: string[]) => {
        if (sha1 !== shaOf(scripts.reserve)) return redis.evalsha(sha1, count, ...args);
        reserves.push(args);
        // The first copy knew only of ann; its reply was lost, and the second copy brings bob along.
        if (reserves.length === 1) await redis.evalsha(sha1, count, ...args.map((arg) => arg.split('\0')[0]!));
        if (reserves.length > 1) throw Object.assign(new Error('OOM command not allowed'), { name: 'ReplyError' });
        return redis.evalsha(sha1, count, ...args);
      },
      eval: (source: string, count: number, ...args: string[]) => redis.eval(source, count, ...args),
    } as RedisClient,
    persistence,
  });
  const told = await Promise.all(
    ['ann', 'bob'].map((userId) =>
      unlucky
        .campaign(ID)
        .issue({ userId })
        .catch((error: unknown) => error),
    ),
  );
  expect(reserves).toHaveLength(2);
  for (const error of told) expect(error).toMatchObject({ code: 'REDIS', outcome: 'unknown' });
  expect(await first.campaign(ID).inspect()).toMatchObject({ reserved: 1 });
});

test('two settlers at once finish each reservation once', async () => {
  for (const userId of ['ann', 'bob']) {
    persistence.next(fails(new Error('lost')), fails(new Error('lost')));
    expect(await first.campaign(ID).issue({ userId })).toMatchObject({ status: 'accepted' });
  }
  await expireLeases(redis, ID);
  const passes = await Promise.all([first.campaign(ID).settle(), second.campaign(ID).settle()]);
  expect(passes.reduce((sum, { settled }) => sum + settled, 0)).toBe(2);
  expect(await persistence.rows(ID)).toHaveLength(2);
  await audit();
});

test('a reservation that one settler saves is not claimed by another one', async () => {
  persistence.next(fails(new Error('lost')), fails(new Error('lost')));
  expect(await first.campaign(ID).issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
  await expireLeases(redis, ID);
  const end = persistence.hold();
  const saving = persistence.reached();
  const pass = first.campaign(ID).settle();
  await saving;
  expect(await second.campaign(ID).settle()).toMatchObject({ settled: 0 });
  end();
  expect(await pass).toMatchObject({ settled: 1 });
  await audit();
});

test('the same user 1,000 times in parallel through two issuers gets one coupon', async () => {
  const told = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => (i % 2 ? first : second).campaign(ID).issue({ userId: 'ann' })),
  );
  await Promise.all([first.idle(), second.idle()]);
  expect(told.filter(({ status }) => status === 'issued')).toHaveLength(1);
  expect(told.filter(({ status }) => status === 'already_issued')).toHaveLength(999);
  await audit();
});
