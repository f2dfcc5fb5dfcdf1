import { inspect } from 'node:util';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type CouponEvent,
  CouponIssuer,
  CouponIssuerError,
  type CouponIssuerOptions,
  NotDeliveredError,
  NotSavedError,
  RedisError,
} from '../../src/index.js';
import { dump, fails, loadScripts, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { type NamedDefinition, openNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ID = 'launch';
const CODE = 'SECRET-CODE-4711';
const URL = 'redis://admin:hunter2@db.example:6379/0';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  await loadScripts(redis);
  persistence = new ScriptedPersistence();
});

const issuerWith = (options: Partial<CouponIssuerOptions> = {}) => new CouponIssuer({ redis, persistence, ...options });
const caught = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('it must be refused'),
    (error: unknown) => error as CouponIssuerError,
  );

/** A client on which every command fails the test: what is refused before any I/O never reaches it. */
const untouchable = {
  evalsha: () => Promise.reject(new Error('I/O')),
  eval: () => Promise.reject(new Error('I/O')),
};

const HOSTILE_TEXTS: [string, unknown][] = [
  ['empty', ''],
  ['over 128 bytes', 'x'.repeat(129)],
  ['over 128 bytes in UTF-8 only', '쿠'.repeat(43)],
  ['an array', ['ann', 'bob']],
  ['an object', { toString: () => 'ann' }],
  ['a number', 42],
  ['NaN', Number.NaN],
  ['null', null],
  ['undefined', undefined],
  ['ill-formed UTF-16', 'ann\uD800'],
  ['with U+0000', 'ann\0bob'],
];

describe('bad input is refused before any I/O', () => {
  const issuer = new CouponIssuer({ redis: untouchable });

  test.each(HOSTILE_TEXTS)('a user id, request id or code that is %s', async (name, text) => {
    const userId = text as string;
    for (const call of [
      issuer.campaign(ID).issue({ userId }),
      issuer.campaign(ID).userStatus({ userId }),
      ...(name === 'undefined' ? [] : [issuer.campaign(ID).issue({ userId: 'ann', requestId: userId })]),
      issuer.campaign(ID).loadCodes(['good', userId]),
      issuer.campaign(ID).replaceCode({ code: 'good', replacement: userId }),
    ]) {
      expect(await caught(call)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
  });

  test.each(['', '}', '{a}', 'a b', 'a:b', 'a/b', '쿠폰', 'x'.repeat(65), 7, null, ['a']])(
    'the campaign id or prefix %j',
    (name) => {
      const id = name as string;
      expect(() => issuer.campaign(id)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
      expect(() => new CouponIssuer({ redis: untouchable, prefix: id })).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
    },
  );

  test.each([-1, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, '10', null])('the total %j', async (total) => {
    const definition = { id: ID, stock: { kind: 'counted', total } } as NamedDefinition;
    expect(await caught(openNamed(issuer, definition))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test.each([
    { perUser: 0 },
    { perUser: 101 },
    { opensAt: new Date(2), closesAt: new Date(1) },
    { opensAt: new Date(1), closesAt: new Date(1) },
    { opensAt: new Date('never') },
    { opensAt: '2026-01-01' },
    { peruser: 2 },
    { stock: { kind: 'other' } },
    { stock: { kind: 'codes', total: 5 } },
    { stock: null },
  ])('the definition with %j', async (part) => {
    const definition = { id: ID, stock: { kind: 'counted', total: 5 }, ...part } as NamedDefinition;
    expect(await caught(openNamed(issuer, definition))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  test.each(['no', {}, 7, null])('the signal %j', async (signal) => {
    const bad = signal as unknown as AbortSignal;
    const call = issuer.campaign(ID).issue({ userId: 'ann', signal: bad });
    expect(await caught(call)).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await caught(issuer.campaign(ID).loadCodes([], { signal: bad }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  test('a client with a keyPrefix', () => {
    const prefixed = server.client({ keyPrefix: 'app:', lazyConnect: true });
    expect(() => new CouponIssuer({ redis: prefixed })).toThrow(/keyPrefix/);
  });

  test('an unknown campaign is not a state that got lost', async () => {
    expect(await caught(issuerWith().campaign('nobody').issue({ userId: 'ann' }))).toMatchObject({
      code: 'UNKNOWN_CAMPAIGN',
    });
    expect(await redis.dbsize()).toBe(0);
    await issuerWith()
      .campaign(ID)
      .open({ stock: { kind: 'unlimited' } });
    await redis.unlink(`{coupon:${ID}}:campaign`);
    expect(await issuerWith().campaign(ID).issue({ userId: 'ann' })).toEqual({
      status: 'not_ready',
      reason: 'missing',
    });
  });
});

describe('a script that Redis refuses is a RedisError, and nothing is written', () => {
  async function refused(prepare: () => Promise<unknown>, undo: () => Promise<unknown>): Promise<CouponIssuerError> {
    const issuer = issuerWith();
    await issuer.campaign(ID).open({ stock: { kind: 'codes' } });
    await issuer.campaign(ID).loadCodes([CODE, 'B']);
    await prepare();
    const before = await dump(redis);
    const error = await caught(issuer.campaign(ID).issue({ userId: 'ann' }));
    expect(await dump(redis)).toEqual(before);
    expect(persistence.saves).toEqual([]);
    await undo();
    return error;
  }

  test.each(['grants', 'senders', 'leases', 'returned', 'pool'])(
    'because the key %s has the wrong type',
    async (name) => {
      const key = `{coupon:${ID}}:${name}`;
      const error = await refused(
        () => redis.set(key, 'text'),
        async () => {},
      );
      expect(error).toMatchObject({
        code: 'REDIS',
        outcome: 'not_applied',
        message: expect.stringContaining('WRONGTYPE'),
      });
    },
  );

  test('because it is out of memory', async () => {
    const error = await refused(
      () => redis.config('SET', 'maxmemory', '1'),
      () => redis.config('SET', 'maxmemory', '0'),
    );
    expect(error).toMatchObject({ code: 'REDIS', outcome: 'not_applied', message: expect.stringContaining('OOM') });
  });

  test('because it is a read-only replica', async () => {
    const error = await refused(
      async () => {
        await redis.config('SET', 'replica-serve-stale-data', 'yes');
        await redis.replicaof('127.0.0.1', '1');
      },
      () => redis.replicaof('NO', 'ONE'),
    );
    expect(error).toMatchObject({
      code: 'REDIS',
      outcome: 'not_applied',
      message: expect.stringContaining('READONLY'),
    });
  });

  test('because it cannot be reached, with a client that does not queue', async () => {
    const away = server.client({ enableOfflineQueue: false, lazyConnect: true });
    const error = await caught(new CouponIssuer({ redis: away }).campaign(ID).issue({ userId: 'ann' }));
    expect(error).toMatchObject({ code: 'REDIS', outcome: 'not_applied' });
  });

  test('after a time in which it did not answer: the outcome is unknown', async () => {
    const silent = { evalsha: () => new Promise(() => {}), eval: () => new Promise(() => {}) };
    const error = await caught(
      new CouponIssuer({ redis: silent, timeoutMs: 10 }).campaign(ID).issue({ userId: 'ann' }),
    );
    expect(error).toBeInstanceOf(RedisError);
    expect(error).toMatchObject({ outcome: 'unknown' });
  });
});

describe('no secret leaves through an error or an event', () => {
  const leaks = (value: unknown) => {
    const text = `${inspect(value, { depth: 20, showHidden: true })} ${JSON.stringify(value)} ${String(value)}`;
    return [CODE, 'hunter2'].filter((secret) => text.includes(secret));
  };
  /** What clients and drivers really throw: arguments, details and addresses hang on it. */
  const talkative = <E extends Error>(error: E, said = `Key (code)=(${CODE}) at ${URL}`): E =>
    Object.assign(error, {
      message: `${error.message}: ${said}`,
      command: { name: 'evalsha', args: [CODE, URL] },
      detail: CODE,
    });

  const faults: [string, Partial<CouponIssuerOptions>][] = [
    ['a save that throws', { persistence: { save: async () => Promise.reject(talkative(new Error('no'))) } }],
    [
      'a save that is refused',
      { persistence: { save: async () => Promise.reject(talkative(new NotSavedError('no'))) } },
    ],
    ['a delivery that is refused', { deliver: async () => Promise.reject(talkative(new NotDeliveredError('no'))) }],
    ['a delivery that throws', { deliver: async () => Promise.reject(talkative(new Error('no'))) }],
    ['a rule that throws', { eligible: async () => Promise.reject(talkative(new Error('no'), URL)) }],
    [
      'a list that throws',
      { persistence: { save: async () => [], list: async () => Promise.reject(talkative(new Error('no'), URL)) } },
    ],
  ];

  test.each(faults)('%s', async (_, options) => {
    const events: CouponEvent[] = [];
    const issuer = issuerWith({ ...options, onEvent: (event) => void events.push(event) });
    let told: unknown;
    try {
      await issuer.campaign(ID).open({ stock: { kind: 'codes' } });
      await issuer.campaign(ID).loadCodes([CODE]);
      told = await issuer.campaign(ID).issue({ userId: 'ann' });
    } catch (error) {
      expect(error).toBeInstanceOf(CouponIssuerError);
      told = [error, (error as Error).cause, (error as Error).stack];
    }
    await issuer.idle();
    expect(leaks([told, events])).toEqual([]);
    expect(leaks(issuer)).toEqual([]);
  });

  test('a Redis client that throws what it was given', async () => {
    await issuerWith()
      .campaign(ID)
      .open({ stock: { kind: 'codes' } });
    const broken = {
      evalsha: (sha1: string, count: number, ...args: string[]) =>
        args.includes(CODE)
          ? Promise.reject(talkative(new Error(`connect ${URL}`)))
          : redis.evalsha(sha1, count, ...args),
      eval: () => Promise.reject(new Error('no')),
      options: { password: 'hunter2' },
    };
    const issuer = issuerWith({ redis: broken });
    const error = await caught(issuer.campaign(ID).replaceCode({ code: CODE, replacement: 'x' }));
    expect(error).toMatchObject({ code: 'REDIS', outcome: 'unknown' });
    expect(leaks([error, error.cause, issuer])).toEqual([]);
  });

  test('a bad code in a list is named by its place', async () => {
    const issuer = issuerWith();
    await issuer.campaign(ID).open({ stock: { kind: 'codes' } });
    const error = await caught(issuer.campaign(ID).loadCodes(['good', `${CODE}\0`]));
    expect(error.message).toContain('code 2 of the list');
    expect(leaks(error)).toEqual([]);
    expect(await issuer.campaign(ID).inspect()).toMatchObject({ total: 0 });
  });
});

test('SCRIPT FLUSH between any two calls: everything works', async () => {
  const forgetful = {
    evalsha: async (sha1: string, count: number, ...args: string[]) => {
      await redis.script('FLUSH');
      return redis.evalsha(sha1, count, ...args);
    },
    eval: (source: string, count: number, ...args: string[]) => redis.eval(source, count, ...args),
  };
  const issuer = issuerWith({ redis: forgetful });
  await issuer.campaign(ID).open({ stock: { kind: 'codes' }, perUser: 2 });
  await issuer.campaign(ID).loadCodes(['A', 'B', 'C']);
  expect(await issuer.campaign(ID).replaceCode({ code: 'B', replacement: 'b' })).toEqual({ status: 'replaced' });
  expect(await issuer.campaign(ID).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  persistence.next(fails(new NotSavedError('no')));
  await expect(issuer.campaign(ID).issue({ userId: 'ann' })).rejects.toMatchObject({ code: 'NOT_ISSUED' });
  await issuer.campaign(ID).pause();
  await issuer.campaign(ID).resume();
  expect(await issuer.campaign(ID).issue({ userId: 'ann' })).toMatchObject({ issuance: { code: 'b' } });
  await issuer.idle();
  expect(await issuer.settle()).toEqual({ settled: 0, pending: 0, failed: 0 });
  await issuer.campaign(ID).closeForGood();
  expect(await issuer.campaign(ID).userStatus({ userId: 'ann' })).toMatchObject({ status: 'issued' });
});
