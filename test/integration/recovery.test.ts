import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type CouponEvent,
  CouponIssuer,
  type Issuance,
  MemoryPersistence,
  NotDeliveredError,
  NotSavedError,
} from '../../src/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { dump, fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { type NamedDefinition, openNamed, quarantinedOf, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let events: CouponEvent[];
let issuer: CouponIssuer;
let campaigns = 0;
let id: string;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.config('SET', 'maxmemory', '0');
  await redis.flushall();
  persistence = new ScriptedPersistence();
  events = [];
  id = `recovered-${++campaigns}`;
  issuer = new CouponIssuer({ redis, persistence, onEvent: (event) => events.push(event) });
});

const key = (name: string) => `{coupon:${id}}:${name}`;
const counted = (total: number): NamedDefinition => ({ id, stock: { kind: 'counted', total } });
const behind = (total: number): NamedDefinition => ({ ...counted(total), saveMode: 'write-behind' });
const pool = (): NamedDefinition => ({ id, stock: { kind: 'codes' } });
const users = (count: number, prefix = 'user') => Array.from({ length: count }, (_, i) => `${prefix}-${i + 1}`);
const issueTo = async (userId: string, by = issuer) => (await by.campaign(id).issue({ userId })).status;
const issueAll = async (names: string[]) => {
  const all = await Promise.all(names.map((name) => issueTo(name)));
  await issuer.idle();
  return all;
};
const issued = (statuses: string[]) => statuses.filter((status) => status === 'issued').length;
const audit = async () => {
  await issuer.idle();
  await checkInvariants({ redis, campaignId: id, rows: await persistence.rows(id), settled: true });
  expect((await issuer.campaign(id).reconcile()).findings).toEqual([]);
};

/** Users whose unit comes back: the database refuses them all for certain. */
async function comeBack(names: string[]) {
  const save = persistence.save;
  persistence.save = async () => {
    throw new NotSavedError('no', { wholeBatch: true });
  };
  await Promise.allSettled(names.map((name) => issueTo(name)));
  persistence.save = save;
}

describe('a rebuild', () => {
  test('does not offer again what a restock took away, wherever those units were', async () => {
    await openNamed(issuer, counted(10));
    await issueAll(users(7));
    await comeBack(users(3, 'back'));
    await issuer.campaign(id).restock({ add: -3, requestId: 'less' });
    const { campaign } = await rebuildNamed(issuer, counted(10));
    expect(campaign).toMatchObject({ total: 7, available: 0, issued: 7 });
    expect(issued(await issueAll(users(5, 'late')))).toBe(0);
    await audit();
  });

  test('gives a unit that two were promised to the one who has the row, whoever comes first by name', async () => {
    for (const [holder, owner] of [
      ['ann', 'bob'],
      ['bob', 'ann'],
    ] as const) {
      id = `${id}-${owner}`;
      await openNamed(issuer, counted(5));
      await issueAll([owner]);
      await redis.hdel(key('grants'), `1:${owner}`);
      await redis.hset(key('campaign'), { issued: 0, lastSerial: 0 });
      persistence.next(fails(new Error('lost')), fails(new Error('lost')));
      expect(await issueTo(holder)).toBe('accepted');
      expect(await issueTo(owner)).toBe('already_issued');
      await issuer.idle();
      const { campaign } = await rebuildNamed(issuer, counted(5));
      expect(campaign).toMatchObject({ issued: 1, reserved: 1, available: 3 });
      await issuer.campaign(id).settle();
      expect((await persistence.rows(id)).map(({ userId }) => userId)).toEqual([owner, holder]);
      await audit();
    }
  });

  test('keeps a code that was withdrawn from being loaded and given to somebody else', async () => {
    const delivered: string[] = [];
    const deliver = ({ userId, code }: Issuance) => void delivered.push(`${code} to ${userId}`);
    issuer = new CouponIssuer({ redis, persistence, deliver });
    await openNamed(issuer, pool());
    await issuer.campaign(id).loadCodes(['A', 'B', 'C'], { loadId: 'boot' });
    persistence.next(fails(new NotSavedError('never', { permanent: true })));
    await issueTo('ann');
    await expireLeases(redis, id);
    persistence.next(fails(new NotSavedError('never', { permanent: true })));
    await issuer.campaign(id).settle();
    expect(await issuer.campaign(id).quarantine.withdraw({ all: true })).toEqual({ withdrawn: 1 });
    await rebuildNamed(issuer, pool(), { codes: ['B', 'C'] });
    expect(await issuer.campaign(id).loadCodes(['A', 'B', 'C'], { loadId: 'boot' })).toMatchObject({
      loaded: 0,
      duplicates: 3,
    });
    expect(issued(await issueAll(users(4)))).toBe(2);
    expect(delivered.filter((line) => line.startsWith('A to')).every((line) => line === 'A to ann')).toBe(true);
  });

  test('that stopped among its codes takes the list it is given when it is run again', async () => {
    await openNamed(issuer, pool());
    await issuer.campaign(id).loadCodes(users(10, 'OLD'), { loadId: 'boot' });
    await redis.flushall();
    await expect(rebuildNamed(issuer, pool())).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    async function* broken() {
      yield* users(600, 'A');
      throw new Error('the file ended');
    }
    await expect(rebuildNamed(issuer, pool(), { codes: broken() })).rejects.toThrow('the file ended');
    const { campaign } = await rebuildNamed(issuer, pool(), { codes: users(900, 'B') });
    expect(campaign).toMatchObject({ total: 900, available: 900 });
    expect(await issuer.campaign(id).loadCodes(users(10, 'OLD'), { loadId: 'boot' })).toMatchObject({
      loaded: 10,
      resumedAt: 0,
    });
    await audit();
  });

  test('of a closed campaign whose keys were to expire keeps what is reserved', async () => {
    await openNamed(issuer, counted(5));
    await issueAll(users(2));
    await issuer.campaign(id).closeForGood({ retainMs: 60_000 });
    expect(await redis.pttl(key('campaign'))).toBeGreaterThan(0);
    const rows = (await persistence.rows(id)).slice(0, 1);
    persistence = new ScriptedPersistence();
    await persistence.memory.save(rows);
    issuer = new CouponIssuer({ redis, persistence });
    persistence.next(...Array.from({ length: 2 }, () => fails(new Error('lost'))));
    expect((await issuer.campaign(id).reconcile({ repair: 'safe' })).findings).toMatchObject([
      { kind: 'grant_without_row' },
    ]);
    for (const name of ['campaign', 'grants', 'leases', 'senders']) expect(await redis.pttl(key(name)), name).toBe(-1);
    await expireLeases(redis, id);
    await issuer.campaign(id).settle();
    for (const name of ['campaign', 'grants', 'senders']) expect(await redis.pttl(key(name)), name).toBeGreaterThan(0);
    await rebuildNamed(issuer, counted(5));
    expect(await issuer.campaign(id).inspect()).toMatchObject({ state: 'closed', issued: 2 });
  });
});

describe('a worker', () => {
  test.each([0.5, 3, 7, 9, 100 / 60, 30])('moves on at a cap of %d a second', async (rate) => {
    await openNamed(issuer, behind(100));
    await issueAll(users(3));
    await issuer.campaign(id).setPace({ savesPerSecond: rate });
    const worker = issuer.startWorker({ intervalMs: 5, campaigns: [id] });
    await until(async () => (await issuer.campaign(id).inspect()).issued >= 1);
    await worker.stop();
    expect(Number(await redis.hget(key('campaign'), 'savesAt'))).toBeGreaterThan(0);
  });

  test('goes on at once when the clock of Redis was set back', async () => {
    await openNamed(issuer, behind(100));
    await issueAll(users(3));
    await redis.hset(key('campaign'), 'savesAt', String((Date.now() + 3_600_000) * 1_000));
    await issuer.campaign(id).setPace({ savesPerSecond: 1_000 });
    const worker = issuer.startWorker({ intervalMs: 5, campaigns: [id] });
    await until(async () => (await issuer.campaign(id).inspect()).issued === 3);
    await worker.stop();
  });

  test('saves what failed before ahead of a line that never ends, and shows how long it has waited', async () => {
    await openNamed(issuer, behind(10_000));
    persistence.next(fails(new Error('lost')), fails(new Error('lost')));
    await issueTo('first');
    expect(await issuer.campaign(id).settle()).toMatchObject({ settled: 0, pending: 1 });
    await issueAll(users(200));
    // Its second try is due.
    await redis.zadd(key('leases'), Date.now() - 1, '1:first');
    await issuer.campaign(id).setPace({ savesPerSecond: 50 });
    const worker = issuer.startWorker({ intervalMs: 5, campaigns: [id] });
    await until(async () => (await persistence.rows(id)).some(({ userId }) => userId === 'first'));
    expect((await persistence.rows(id)).length).toBeLessThan(150);
    await worker.stop();
  });

  test('goes on past rows whose save always ends in doubt', async () => {
    await openNamed(issuer, behind(10_000));
    persistence.save = async (issuances) => {
      if (issuances.some(({ userId }) => userId.startsWith('bad'))) throw new Error('a trigger of the table');
      return persistence.memory.save(issuances);
    };
    await issueAll(users(6, 'bad'));
    const worker = issuer.startWorker({ intervalMs: 5, campaigns: [id] });
    await until(async () => (await issuer.campaign(id).inspect()).issued === 0 && persistence.saves.length === 0);
    for (let wave = 0; wave < 5; wave++) {
      await issueAll(users(20, `wave-${wave}`));
      // What failed is due again at once, as it is after a while.
      await until(async () => {
        await redis.zadd(key('leases'), 'XX', ...users(6, 'bad').flatMap((user) => [Date.now() - 1, `1:${user}`]));
        return (await issuer.campaign(id).inspect()).issued === 20 * (wave + 1);
      });
    }
    await worker.stop();
  });

  test('leaves nobody waiting behind a campaign with a long line', async () => {
    await openNamed(issuer, behind(10_000));
    await issueAll(users(2_000));
    const big = id;
    id = `${id}-small`;
    await openNamed(issuer, behind(10));
    await issueTo('ann');
    const worker = issuer.startWorker({ intervalMs: 10, batchSize: 5 });
    await until(async () => (await issuer.campaign(id).inspect()).issued === 1);
    expect((await issuer.campaign(big).inspect()).issued).toBeLessThan(2_000);
    await worker.stop();
  });

  test('goes on and tells of its health when a campaign was purged, or is yet to be opened', async () => {
    await openNamed(issuer, counted(1));
    const listed = issuer.startWorker({ intervalMs: 5, campaigns: ['not-yet-opened', id] });
    const all = issuer.startWorker({ intervalMs: 5 });
    await until(
      async () => (await listed.health()).campaigns.length === 2 && (await all.health()).campaigns.length === 1,
    );
    await issuer.campaign(id).closeForGood();
    await issuer.campaign(id).purge();
    expect((await listed.health()).campaigns).toMatchObject([
      { campaignId: 'not-yet-opened', backlog: null, quarantined: null },
      { campaignId: id, backlog: null },
    ]);
    await all.health();
    await issuer.close();
    // Perhaps its id is wrong. One that was purged is over, which is no fault.
    expect(events.filter(({ type }) => type === 'fault')).toMatchObject([{ campaignId: 'not-yet-opened' }]);
  });

  test('settles while memory is full, and the campaign can be closed and purged', async () => {
    await openNamed(issuer, behind(10));
    await issueAll(users(5));
    await redis.config('SET', 'maxmemory', '1');
    expect(await issuer.campaign(id).settle()).toMatchObject({ settled: 5 });
    await issuer.campaign(id).closeForGood();
    await issuer.campaign(id).purge();
    await redis.config('SET', 'maxmemory', '0');
    expect(await redis.exists(key('campaign'))).toBe(0);
  });
});

describe('quarantine', () => {
  test('a partner that delivers nothing to anybody puts nobody into it', async () => {
    let down = true;
    const deliver = () => {
      if (down) throw new NotDeliveredError('connection refused');
    };
    issuer = new CouponIssuer({ redis, persistence, deliver, maxTries: 3, onEvent: (event) => events.push(event) });
    await openNamed(issuer, behind(100));
    await issueAll(users(20));
    for (let pass = 0; pass < 6; pass++) {
      await expireLeases(redis, id);
      expect(await issuer.campaign(id).settle()).toMatchObject({ settled: 0 });
    }
    down = false;
    await expireLeases(redis, id);
    expect(await issuer.campaign(id).settle()).toMatchObject({ settled: 20 });
    expect(events.some(({ type }) => type === 'quarantined')).toBe(false);
    await audit();
  });

  test('failures of the whole database do not count towards it', async () => {
    issuer = new CouponIssuer({ redis, persistence, maxTries: 2, onEvent: (event) => events.push(event) });
    await openNamed(issuer, behind(10));
    await issueTo('ann');
    for (const error of [
      new NotSavedError('down', { wholeBatch: true }),
      new NotSavedError('down', { wholeBatch: true }),
      new NotSavedError('no such customer'),
    ]) {
      persistence.next(fails(error));
      await expireLeases(redis, id);
      await issuer.campaign(id).settle();
    }
    expect(await quarantinedOf(issuer.campaign(id))).toEqual([]);
    persistence.next(fails(new NotSavedError('no such customer')));
    await expireLeases(redis, id);
    await issuer.campaign(id).settle();
    expect(await quarantinedOf(issuer.campaign(id))).toMatchObject([{ tries: 2 }]);
  });

  test('what is in it is not taken up by a repeat of the call, nor by a late copy of the step that put it there', async () => {
    await openNamed(issuer, counted(10));
    const ask = () => issuer.campaign(id).issue({ userId: 'ann', requestId: 'request-1' });
    persistence.next(fails(new Error('lost')), fails(new Error('lost')));
    expect(await ask()).toMatchObject({ status: 'accepted' });
    persistence.next(fails(new NotSavedError('never', { permanent: true })));
    await expireLeases(redis, id);
    await issuer.campaign(id).settle();
    const before = await dump(redis);
    const saves = persistence.saves.length;
    expect(await ask()).toMatchObject({ status: 'accepted', issuance: { code: null } });
    expect(persistence.saves.length).toBe(saves);
    expect((await dump(redis))[key('leases')]).toEqual(before[key('leases')]);
    const stamp = (await redis.hget(key('grants'), '1:ann'))!.split(':')[1];
    expect(await issuer.campaign(id).quarantine.retry({ all: true })).toEqual({ retried: 1 });
    expect((await redis.hget(key('grants'), '1:ann'))!.split(':')[1]).not.toBe(stamp);
    await issuer.campaign(id).settle();
    await audit();
  });

  test('an operator whose process knows the epoch of before a rebuild withdraws all the same', async () => {
    const other = new CouponIssuer({ redis, persistence });
    await openNamed(issuer, behind(10));
    await issueTo('ann');
    await other.campaign(id).inspect();
    await rebuildNamed(issuer, behind(10));
    persistence.next(fails(new NotSavedError('never', { permanent: true })));
    await issuer.campaign(id).settle();
    expect(await other.campaign(id).quarantine.withdraw({ all: true })).toEqual({ withdrawn: 1 });
  });
});

test('an operator who withdraws what was saved after all leaves it to settle', async () => {
  const find = persistence.memory.find.bind(persistence.memory);
  const asking = new CouponIssuer({ redis, persistence: Object.assign(persistence, { find }) });
  await openNamed(asking, behind(10));
  await Promise.all(['ann', 'bob'].map((userId) => issueTo(userId, asking)));
  persistence.next(...Array.from({ length: 3 }, () => fails(new NotSavedError('never', { permanent: true }))));
  await asking.campaign(id).settle();
  const held = await quarantinedOf(asking.campaign(id));
  expect(held).toHaveLength(2);
  await persistence.memory.save(
    held.filter(({ issuance }) => issuance.userId === 'ann').map(({ issuance }) => issuance),
  );
  expect(await asking.campaign(id).quarantine.withdraw({ all: true })).toEqual({ withdrawn: 1 });
  expect(await asking.campaign(id).userStatus({ userId: 'bob' })).toMatchObject({ status: 'none' });
  expect(await asking.campaign(id).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  expect(await asking.campaign(id).userStatus({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  await audit();
});

test('an accepted coupon whose place a forgotten row takes is the next one of its user', async () => {
  const two = { ...behind(10), perUser: 2 };
  await openNamed(issuer, two);
  await issueTo('ann');
  await issuer.campaign(id).settle();
  await redis.hdel(key('grants'), '1:ann');
  await redis.hincrby(key('campaign'), 'issued', -1);
  await redis.hincrby(key('campaign'), 'withdrawn', 1);
  const result = await issuer.campaign(id).issue({ userId: 'ann', requestId: 'second' });
  if (result.status !== 'accepted') throw new Error(result.status);
  await issuer.campaign(id).settle();
  await issuer.campaign(id).settle();
  const rows = await persistence.rows(id);
  expect(rows.map(({ grant }) => grant)).toEqual([1, 2]);
  expect(rows[1]!.id).toBe(result.issuance.id);
  expect(events.filter(({ type }) => type === 'lost')).toEqual([]);
});

test('an accepted coupon that cannot be reserved anew for now is told by a fault, and a repeat of its call keeps it', async () => {
  await openNamed(issuer, { ...behind(10), perUser: 2 });
  await issueTo('ann');
  await issuer.campaign(id).settle();
  await redis.hdel(key('grants'), '1:ann');
  await redis.hincrby(key('campaign'), 'issued', -1);
  await redis.hincrby(key('campaign'), 'withdrawn', 1);
  const request = { userId: 'ann', requestId: 'second' };
  const result = await issuer.campaign(id).issue(request);
  if (result.status !== 'accepted') throw new Error(result.status);
  await issuer.campaign(id).pause();
  await issuer.campaign(id).settle();
  expect(events.filter(({ type }) => type === 'lost')).toEqual([]);
  expect(events.filter(({ type }) => type === 'fault')).toMatchObject([
    { during: 'settle', issuance: { id: result.issuance.id }, error: { message: expect.stringContaining('(paused)') } },
  ]);
  await issuer.campaign(id).resume();
  expect(await issuer.campaign(id).issue(request)).toMatchObject({ status: 'accepted' });
  await issuer.campaign(id).settle();
  expect((await persistence.rows(id)).map(({ grant }) => grant)).toEqual([1, 2]);
});

test('a campaign that is opened again after a purge is of a higher generation, for every process', async () => {
  const other = new CouponIssuer({ redis, persistence: new MemoryPersistence() });
  issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence() });
  await openNamed(issuer, counted(3));
  expect(await issueTo('ann', other)).toBe('issued');
  await rebuildNamed(issuer, counted(3));
  await issuer.campaign(id).settle();
  await issuer.campaign(id).closeForGood();
  await issuer.campaign(id).purge();
  await until(async () => Number((await redis.time())[0]) > 0);
  await openNamed(issuer, counted(3), { skipRowCheck: true });
  expect(await issueTo('cho', other)).toBe('issued');
  await other.idle();
});
