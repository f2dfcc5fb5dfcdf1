import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Campaign, CouponIssuer, type PersistenceAdapter, type RedisClient } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { recording, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { quarantinedOf } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const NEVER = '9007199254740991';
/** Two pages and a part of a third. */
const COUNT = 1_203;

let server: RedisServer;
let redis: Redis;
let client: RedisClient & { calls: readonly { sha1: string }[] };
let persistence: ScriptedPersistence;
let launch: Campaign;
let opened = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());

const key = (name: string) => `{coupon:${launch.id}}:${name}`;
const check = async () => checkInvariants({ redis, campaignId: launch.id, rows: await persistence.rows(launch.id) });
const usersOf = async (campaign: Campaign) => (await quarantinedOf(campaign)).map(({ issuance }) => issuance.userId);

/** Names of every length, in capitals and small letters, and beyond ASCII: what a locale orders otherwise than bytes. */
const NAMES = Array.from({ length: COUNT }, (_, i) => `${'aBzZé가-_'[i % 8]}${i.toString(36).repeat(1 + (i % 3))}`);

beforeEach(async () => {
  persistence = new ScriptedPersistence();
  client = recording(redis);
  launch = new CouponIssuer({ redis: client, persistence }).campaign(`left-${++opened}`);
  await launch.open({ stock: { kind: 'counted', total: 5_000 }, saveMode: 'write-behind' });
  await Promise.all(NAMES.map((userId) => launch.issue({ userId })));
  await redis.zadd(key('leases'), ...NAMES.flatMap((userId) => [NEVER, `1:${userId}`]));
  // These are no part of the quarantine.
  await Promise.all(['aa', 'zz'].map((userId) => launch.issue({ userId })));
});

test('each reservation in quarantine is listed once, in pages that are read when the loop comes to them', async () => {
  const pages = () => client.calls.filter(({ sha1 }) => sha1 === shaOf(scripts.listQuarantined)).length;
  const listed: string[] = [];
  for await (const { issuance } of launch.quarantine.list()) {
    listed.push(issuance.userId);
    expect(pages()).toBe(Math.ceil(listed.length / 500));
  }
  expect([...listed].sort()).toEqual([...NAMES].sort());
});

test('a loop that withdraws each reservation as it is listed comes to all of them', async () => {
  const listed: string[] = [];
  for await (const { issuance } of launch.quarantine.list()) {
    listed.push(issuance.userId);
    expect(await launch.quarantine.withdraw({ ids: [issuance.id] })).toEqual({ withdrawn: 1 });
  }
  expect([...listed].sort()).toEqual([...NAMES].sort());
  expect(await usersOf(launch)).toEqual([]);
  expect(await launch.inspect()).toMatchObject({ withdrawn: COUNT, reserved: 2 });
  await check();
}, 60_000);

test('what another process retries while a loop rests at the end of a page moves no other one', async () => {
  const other = new CouponIssuer({ redis, persistence }).campaign(launch.id);
  const all = await quarantinedOf(other);
  const listed: string[] = [];
  for await (const { issuance } of launch.quarantine.list()) {
    listed.push(issuance.userId);
    if (listed.length === 500) {
      // The whole page, with its last one, and every second one of the next.
      const ids = all.filter((_, i) => i < 500 || (i < 1_000 && i % 2 === 0)).map(({ issuance: { id } }) => id);
      expect(await other.quarantine.retry({ ids })).toEqual({ retried: 750 });
    }
  }
  const expected = all.filter((_, i) => i < 500 || i >= 1_000 || i % 2 === 1);
  expect(listed).toEqual(expected.map(({ issuance }) => issuance.userId));
});

test('all of more than two pages are retried, or withdrawn, at once', async () => {
  expect(await launch.quarantine.retry({ all: true })).toEqual({ retried: COUNT });
  expect(await launch.settle()).toMatchObject({ settled: COUNT + 2, pending: 0 });
  await Promise.all(NAMES.map((userId) => launch.issue({ userId: `${userId}2` })));
  await redis.zadd(key('leases'), ...NAMES.flatMap((userId) => [NEVER, `1:${userId}2`]));
  expect(await launch.quarantine.withdraw({ all: true })).toEqual({ withdrawn: COUNT });
  expect(await usersOf(launch)).toEqual([]);
  await check();
});

test.each([
  ['fails', async () => Promise.reject(new Error('no connection'))],
  ['never answers', () => new Promise<never>(() => {})],
  ['gives other rows than those it was asked for', async () => []],
] as const)(
  'where the database cannot say what has a row, nothing more is withdrawn: its find %s',
  async (_, fault) => {
    let asked = 0;
    let failsAt = 1;
    const find: PersistenceAdapter['find'] = async (issuances) =>
      ++asked >= failsAt ? fault() : persistence.memory.find(issuances);
    const adapter = Object.assign(Object.create(persistence) as ScriptedPersistence, { find });
    const issuer = new CouponIssuer({ redis, persistence: adapter, timeoutMs: 500 });
    const withdraw = () => issuer.campaign(launch.id).quarantine.withdraw({ all: true });
    const left = async () => (await launch.inspect()).withdrawn;

    await expect(withdraw()).rejects.toMatchObject({ code: 'PERSISTENCE', outcome: 'not_applied' });
    expect(await left()).toBe(0);
    [asked, failsAt] = [0, 2];
    await expect(withdraw()).rejects.toMatchObject({ code: 'PERSISTENCE', outcome: 'unknown' });
    expect(await left()).toBe(500);
    // Those of the first page have rows, and go back to settle: that is a change.
    const first = (await quarantinedOf(launch)).slice(0, 500).map(({ issuance }) => issuance);
    await persistence.memory.save(first);
    [asked, failsAt] = [0, 2];
    await expect(withdraw()).rejects.toMatchObject({ outcome: 'unknown', message: expect.stringContaining('no unit') });
    expect(await left()).toBe(500);
    [asked, failsAt] = [0, 9];
    expect(await withdraw()).toEqual({ withdrawn: COUNT - 1_000 });
    await check();
  },
);

test('a page with a reservation that Redis has lost is not taken for the last one', async () => {
  const [first] = await usersOf(launch);
  await redis.hdel(key('grants'), `1:${first}`);
  let listed = 0;
  const list = async () => {
    for await (const _ of launch.quarantine.list()) listed++;
  };
  // It says so at its end.
  await expect(list()).rejects.toMatchObject({ code: 'NOT_READY', reason: 'missing' });
  expect(listed).toBe(COUNT - 1);
});

test.each(['leases', 'grants'])('a list of the quarantine is not empty where Redis lost the %s', async (name) => {
  await redis.del(key(name));
  await expect(quarantinedOf(launch)).rejects.toMatchObject({ code: 'NOT_READY', reason: 'missing' });
  expect(await launch.inspect()).toMatchObject({ ready: false, quarantined: null });
});

test('a quarantine that ends with a page is listed to its end, and an empty one has nothing', async () => {
  const all = await quarantinedOf(launch);
  await launch.quarantine.retry({ ids: all.slice(1_000).map(({ issuance }) => issuance.id) });
  expect(await usersOf(launch)).toEqual(all.slice(0, 1_000).map(({ issuance }) => issuance.userId));
  await launch.quarantine.retry({ all: true });
  expect(await usersOf(launch)).toEqual([]);
});
