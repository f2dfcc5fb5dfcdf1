import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, type Issuance, type Stock } from '../../src/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { dump, fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { type NamedDefinition, rebuildNamed } from '../support/scenes/named.js';
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
  id = `compared-${++campaigns}`;
  issuer = new CouponIssuer({ redis, persistence });
});

const counted = (total: number): NamedDefinition => ({ id, stock: { kind: 'counted', total } });
const users = (count: number) => Array.from({ length: count }, (_, i) => `user-${i + 1}`);
const key = (name: string) => `{coupon:${id}}:${name}`;
const kindsOf = async (options = {}) => (await issuer.campaign(id).reconcile(options)).findings.map(({ kind }) => kind);
const audit = async () => {
  await issuer.idle();
  await checkInvariants({ redis, campaignId: id, rows: await persistence.rows(id), settled: true });
};

async function issued(count: number, stock: Stock = { kind: 'counted', total: count + 5 }) {
  await issuer.campaign(id).open({ stock });
  if (stock.kind === 'codes') await issuer.campaign(id).loadCodes(users(count + 5).map((name) => `CODE-${name}`));
  await Promise.all(users(count).map((userId) => issuer.campaign(id).issue({ userId })));
  await issuer.idle();
}

/** Takes a grant out of Redis together with what counts it, as a Redis that forgot a write would have it. */
async function forget(userId: string): Promise<string> {
  const record = (await redis.hget(key('grants'), `1:${userId}`))!;
  await redis.hdel(key('grants'), `1:${userId}`);
  await redis.hincrby(key('campaign'), 'issued', -1);
  return record.split(':')[2]!;
}

test('a campaign in order has no findings, at rest and under load, and is not touched', async () => {
  await issued(1_200, { kind: 'counted', total: 3_000 });
  const before = await dump(redis);
  const report = await issuer.campaign(id).reconcile();
  expect(report).toMatchObject({ rows: 1_200, grants: 1_200, quiet: true, findings: [] });
  expect(await dump(redis)).toEqual(before);
  const late = Array.from({ length: 600 }, (_, i) => issuer.campaign(id).issue({ userId: `late-${i}` }));
  expect((await issuer.campaign(id).reconcile()).findings).toEqual([]);
  await Promise.all(late);
  await audit();
});

test('pools and unlimited campaigns in order have no findings either', async () => {
  await issued(30, { kind: 'codes' });
  expect(await kindsOf()).toEqual([]);
  id = `${id}-unlimited`;
  await issued(30, { kind: 'unlimited' });
  expect(await kindsOf()).toEqual([]);
});

describe('a row that Redis has no grant of', () => {
  test.each<[string, Stock]>([
    ['counted', { kind: 'counted', total: 25 }],
    ['codes', { kind: 'codes' }],
  ])('is written back where its unit is free (%s)', async (_, stock) => {
    await issued(20, stock);
    const code = (await persistence.rows(id)).find(({ userId }) => userId === 'user-7')!.code;
    const serial = await forget('user-7');
    const free = stock.kind === 'codes' ? 'pool' : 'returned';
    await redis.lpush(key(free), stock.kind === 'codes' ? `${serial}:${code}` : serial);
    await redis.hincrby(key('campaign'), free, 1);
    const report = await issuer.campaign(id).reconcile();
    expect(report.findings).toMatchObject([
      { kind: 'row_without_grant', row: { userId: 'user-7' }, cure: 'repair', repaired: false },
    ]);
    expect(await kindsOf({ repair: 'safe' })).toEqual(['row_without_grant']);
    expect(await kindsOf()).toEqual([]);
    await audit();
  });

  test('is left to a rebuild where its unit has another code in the pool', async () => {
    await issued(20, { kind: 'codes' });
    const serial = await forget('user-7');
    await redis.lpush(key('pool'), `${serial}:ANOTHER-CODE`);
    await redis.hincrby(key('campaign'), 'pool', 1);
    const { findings } = await issuer.campaign(id).reconcile({ repair: 'safe' });
    expect(findings).toMatchObject([{ kind: 'row_without_grant', cure: 'rebuild', repaired: false }]);
  });

  test('is written back where Redis is behind the database', async () => {
    await issued(20);
    const serial = Number(await forget('user-20'));
    await forget('user-19');
    await redis.hset(key('campaign'), 'lastSerial', Math.min(serial, 19) - 1);
    expect(await kindsOf()).toEqual(['row_without_grant', 'row_without_grant']);
    const { findings } = await issuer.campaign(id).reconcile({ repair: 'safe' });
    expect(findings.every(({ repaired }) => repaired)).toBe(true);
    expect(await kindsOf()).toEqual([]);
    expect(await issuer.campaign(id).issue({ userId: 'late' })).toMatchObject({ issuance: { serial: 21 } });
    await audit();
  });

  test('is written back where its unit was withdrawn', async () => {
    await issued(20);
    await forget('user-3');
    await redis.hincrby(key('campaign'), 'withdrawn', 1);
    const { findings } = await issuer.campaign(id).reconcile({ repair: 'safe' });
    expect(findings).toMatchObject([{ kind: 'row_without_grant', repaired: true }]);
    expect(await issuer.campaign(id).inspect()).toMatchObject({ issued: 20, withdrawn: 0 });
    expect(await kindsOf()).toEqual([]);
    await audit();
  });

  test('is left while its unit is in the hands of somebody else, whose save will be refused', async () => {
    await issued(3, { kind: 'counted', total: 10 });
    const serial = await forget('user-2');
    await redis.lpush(key('returned'), serial);
    await redis.hincrby(key('campaign'), 'returned', 1);
    persistence.next(fails(new Error('lost')), fails(new Error('lost')));
    expect(await issuer.campaign(id).issue({ userId: 'other' })).toMatchObject({ status: 'accepted' });
    expect((await issuer.campaign(id).reconcile()).findings).toMatchObject([
      { kind: 'row_without_grant', cure: 'settle' },
    ]);
    await expireLeases(redis, id);
    expect(await kindsOf({ repair: 'safe' })).toEqual(['row_without_grant']);
    expect(await kindsOf()).toEqual([]);
    await audit();
  });
});

test('what Redis calls issued and the database does not have is saved again', async () => {
  await issued(5);
  const lost = (await persistence.rows(id)).filter(({ userId }) => userId !== 'user-4');
  const fresh = new ScriptedPersistence();
  await fresh.memory.save(lost);
  persistence = fresh;
  issuer = new CouponIssuer({ redis, persistence });
  const report = await issuer.campaign(id).reconcile();
  expect(report.findings).toMatchObject([{ kind: 'grant_without_row', grant: { userId: 'user-4' }, cure: 'repair' }]);
  await issuer.campaign(id).reconcile({ repair: 'safe' });
  expect(await persistence.rows(id)).toHaveLength(5);
  expect(await kindsOf()).toEqual([]);
  await audit();
});

test('a grant on another unit than its row is found, and a rebuild mends it', async () => {
  await issued(5, { kind: 'counted', total: 10 });
  const record = (await redis.hget(key('grants'), '1:user-2'))!.split(':');
  record[2] = '9';
  await redis.hset(key('grants'), '1:user-2', record.join(':'));
  const report = await issuer.campaign(id).reconcile();
  expect(report.findings.map(({ kind }) => kind)).toContain('row_differs');
  expect(report.findings.map(({ kind }) => kind)).toContain('counter_wrong');
  expect(report.findings.every(({ cure }) => cure === 'rebuild')).toBe(true);
  await rebuildNamed(issuer, counted(10));
  expect(await kindsOf()).toEqual([]);
  await audit();
});

test('a unit in two hands, a unit in nobody’s and a missing lease are found', async () => {
  await issued(5, { kind: 'counted', total: 10 });
  await redis.rpush(key('returned'), '3');
  await redis.hincrby(key('campaign'), 'returned', 1);
  expect((await issuer.campaign(id).reconcile()).findings).toMatchObject([
    { kind: 'serial_twice', serial: 3, cure: 'rebuild' },
  ]);
  await redis.del(key('returned'));
  await redis.hset(key('campaign'), 'returned', 0, 'lastSerial', 8);
  expect((await issuer.campaign(id).reconcile()).findings).toMatchObject([{ kind: 'units_lost', count: 3 }]);
  await redis.hset(key('campaign'), 'lastSerial', 5, 'withdrawn', 2);
  expect((await issuer.campaign(id).reconcile()).findings).toMatchObject([
    { kind: 'counter_wrong', counter: 'withdrawn', is: 2, shouldBe: 0 },
  ]);
  await redis.hset(key('campaign'), 'withdrawn', 0);
  persistence.next(fails(new Error('lost')), fails(new Error('lost')));
  await issuer.campaign(id).issue({ userId: 'late' });
  await redis.zrem(key('leases'), '1:late');
  await redis.zadd(key('leases'), Date.now() + 60_000, '1:nobody');
  expect((await issuer.campaign(id).reconcile()).findings).toMatchObject([
    { kind: 'lease_missing', grant: { userId: 'late' } },
  ]);
});

describe('a unit in the hands of two users', () => {
  /** The grant of `userId` is on the unit of `holder`, as a Redis that went back and gave the unit out again would have it. */
  const giveUnitOf = async (holder: string, userId: string) => {
    const unitOf = async (name: string) => (await redis.hget(key('grants'), `1:${name}`))!.split(':');
    const record = await unitOf(userId);
    const [, , serial, , , code] = await unitOf(holder);
    record.splice(2, 1, serial!);
    record.splice(5, 1, code!);
    await redis.hset(key('grants'), `1:${userId}`, record.join(':'));
  };
  const late = async (error: Error) => {
    persistence.next(fails(error), fails(error));
    await issuer.campaign(id).issue({ userId: 'late' });
    await issuer.idle();
  };
  const cures = async (kind: string) =>
    (await issuer.campaign(id).reconcile()).findings.filter((finding) => finding.kind === kind).map(({ cure }) => cure);
  /** How each serial and each code is in one hand. */
  const oneHandEach = async () => {
    const records = (await redis.hvals(key('grants'))).map((record) => record.split(':'));
    for (const at of [2, 5]) {
      const values = records.map((record) => record[at]!).filter((value) => value !== '');
      expect(new Set(values).size).toBe(values.length);
    }
    expect(await cures('serial_twice')).toEqual([]);
    expect(await cures('code_twice')).toEqual([]);
  };

  const STOCKS: Stock[] = [{ kind: 'counted', total: 10 }, { kind: 'codes' }];
  test.each(STOCKS)('one of whom has no row yet ($kind) is mended by settle', async (stock) => {
    await issued(3, stock);
    await late(new Error('lost'));
    await giveUnitOf('user-2', 'late');
    expect(await cures('serial_twice')).toEqual(['settle']);
    await expireLeases(redis, id);
    await issuer.campaign(id).settle();
    await issuer.idle();
    await oneHandEach();
    expect(await persistence.rows(id)).toHaveLength(4);
  });

  test('both of whom have none yet is mended by settle', async () => {
    await issued(1, { kind: 'counted', total: 10 });
    persistence.next(...Array.from({ length: 4 }, () => fails(new Error('lost'))));
    for (const userId of ['late', 'later']) await issuer.campaign(id).issue({ userId });
    await issuer.idle();
    await giveUnitOf('late', 'later');
    expect(await cures('serial_twice')).toEqual(['settle']);
    await expireLeases(redis, id);
    await issuer.campaign(id).settle();
    await issuer.idle();
    await oneHandEach();
    expect(await persistence.rows(id)).toHaveLength(3);
  });

  test('one of whom is called issued without a row is mended by the repair', async () => {
    await issued(3, { kind: 'counted', total: 10 });
    const rows = (await persistence.rows(id)).filter(({ userId }) => userId !== 'user-3');
    persistence = new ScriptedPersistence();
    await persistence.memory.save(rows);
    issuer = new CouponIssuer({ redis, persistence });
    await giveUnitOf('user-2', 'user-3');
    expect(await cures('serial_twice')).toEqual(['repair']);
    await issuer.campaign(id).reconcile({ repair: 'safe' });
    await issuer.idle();
    await oneHandEach();
    expect(await persistence.rows(id)).toHaveLength(3);
  });

  test('both of whom have rows, one of them on another unit, is mended by a rebuild', async () => {
    await issued(3, { kind: 'counted', total: 10 });
    await giveUnitOf('user-2', 'user-3');
    expect(await cures('serial_twice')).toEqual(['rebuild']);
    await rebuildNamed(issuer, counted(10));
    await oneHandEach();
    await audit();
  });

  test('one of whom has a row on another unit is mended by a rebuild, whatever becomes of the other', async () => {
    await issued(3, { kind: 'counted', total: 10 });
    await late(new Error('lost'));
    await giveUnitOf('late', 'user-3');
    expect(await cures('serial_twice')).toEqual(['rebuild']);
    await expireLeases(redis, id);
    await issuer.campaign(id).settle();
    await issuer.idle();
    expect(await cures('serial_twice')).toEqual(['rebuild']);
    await rebuildNamed(issuer, counted(10));
    await oneHandEach();
    await audit();
  });

  test('one of whom is in quarantine waits for an operator', async () => {
    issuer = new CouponIssuer({ redis, persistence, maxTries: 1, leaseMs: 60_000 });
    await issued(3, { kind: 'counted', total: 10 });
    await late(new Error('lost'));
    await giveUnitOf('user-2', 'late');
    await redis.zadd(key('leases'), Number.MAX_SAFE_INTEGER, '1:late');
    expect(await cures('serial_twice')).toEqual(['look']);
    await issuer.campaign(id).settle();
    expect(await cures('serial_twice')).toEqual(['look']);
    await issuer.campaign(id).quarantine.retry({ all: true });
    await issuer.campaign(id).settle();
    await issuer.idle();
    await oneHandEach();
  });

  test('and that is offered to others as well is mended by a rebuild', async () => {
    await issued(3, { kind: 'counted', total: 10 });
    await late(new Error('lost'));
    const [, , serial] = (await redis.hget(key('grants'), '1:late'))!.split(':');
    await redis.rpush(key('returned'), serial!);
    await redis.hincrby(key('campaign'), 'returned', 1);
    await expireLeases(redis, id);
    await issuer.campaign(id).settle();
    expect(await cures('serial_twice')).toEqual(['rebuild']);
  });
});

test('a lease that nobody settles is found, and settled by the repair', async () => {
  await issued(2);
  persistence.next(fails(new Error('lost')), fails(new Error('lost')));
  await issuer.campaign(id).issue({ userId: 'late' });
  await expireLeases(redis, id);
  // A place in the line of write-behind is no lease that ran out; only one of long ago is.
  await redis.zadd(key('leases'), Date.now() - 3_600_000, '1:late');
  expect((await issuer.campaign(id).reconcile()).findings).toMatchObject([
    { kind: 'lease_overdue', grant: { userId: 'late' }, cure: 'settle' },
  ]);
  expect(await kindsOf({ repair: 'safe' })).toEqual([]);
  await audit();
});

test('a state of which a part is missing is one finding, and a rebuild mends it', async () => {
  await issued(5);
  await redis.del(key('grants'));
  const report = await issuer.campaign(id).reconcile();
  expect(report.findings).toMatchObject([{ kind: 'state_incomplete', cure: 'rebuild' }]);
  await rebuildNamed(issuer, counted(10));
  expect(await kindsOf()).toEqual([]);
});

test('the report is for people and for programs, and carries no code', async () => {
  await issued(3, { kind: 'codes' });
  await forget('user-2');
  const report = await issuer.campaign(id).reconcile();
  expect(String(report)).toContain('row_without_grant: the database has grant 1 of user "user-2"');
  expect(JSON.parse(JSON.stringify(report))).toMatchObject({
    campaignId: id,
    findings: [{ kind: 'row_without_grant' }, { kind: 'units_lost' }].slice(0, report.findings.length),
  });
  expect(String(report) + JSON.stringify(report)).not.toContain('CODE-');
});

test('a list that fails is a typed error, and an aborted signal ends the comparison', async () => {
  await issued(3);
  const abort = new AbortController();
  abort.abort(new Error('enough'));
  await expect(issuer.campaign(id).reconcile({ signal: abort.signal })).rejects.toThrow('enough');
  persistence.list = async (): Promise<readonly Issuance[]> => {
    throw new Error('no connection');
  };
  await expect(issuer.campaign(id).reconcile()).rejects.toMatchObject({ code: 'HOOK' });
  await expect(issuer.campaign(id).reconcile({ repair: 'all' } as never)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  await expect(issuer.campaign('nobody-opened-this').reconcile()).rejects.toMatchObject({ code: 'UNKNOWN_CAMPAIGN' });
});
