import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  CouponIssuer,
  type Issuance,
  NotIssuedError,
  NotSavedError,
  type PersistenceAdapter,
} from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { fails, recording, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { Database, rowsOf } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

let server: RedisServer;
let database: Database;
let postgres: PostgresPersistence;
let redis: Redis;
let persistence: ScriptedPersistence;
let campaignId = '';
let campaigns = 0;

beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  postgres = new PostgresPersistence(database.pool);
  await postgres.createTable();
  redis = server.client();
  // The first call of a test does not wait for the connection.
  await redis.ping();
});
afterAll(async () => {
  await Promise.all([server.stop(), database.stop()]);
});
beforeEach(() => {
  persistence = new ScriptedPersistence();
  campaignId = `campaign-${++campaigns}`;
});

const audit = async (rows?: Awaited<ReturnType<typeof rowsOf>>) =>
  checkInvariants({ redis, campaignId, rows: rows ?? (await persistence.rows(campaignId)), settled: true });

async function openWithCodes(
  adapter: PersistenceAdapter = persistence,
  client = redis as Parameters<typeof recording>[0],
) {
  const issuer = new CouponIssuer({ redis: client, persistence: adapter });
  await issuer.campaign(campaignId).open({ stock: { kind: 'codes' } });
  await issuer.campaign(campaignId).loadCodes(['A', 'B', 'C']);
  return issuer;
}

const pool = () => redis.lrange(`{coupon:${campaignId}}:pool`, 0, -1);

test('the database commits after the client gave up: accepted, then issued after settle, one row', async () => {
  const commits: (() => void)[] = [];
  const committed: Promise<unknown>[] = [];
  const late: PersistenceAdapter = {
    save: (issuances, options) => {
      const gate = new Promise<void>((resolve) => {
        commits.push(resolve);
      });
      committed.push(gate.then(() => postgres.save(issuances)));
      return new Promise((_, reject) => options.signal.addEventListener('abort', () => reject(new Error('gave up'))));
    },
  };
  const impatient = new CouponIssuer({ redis, persistence: late, timeoutMs: 500 });
  await impatient.campaign(campaignId).open({ stock: { kind: 'codes' } });
  await impatient.campaign(campaignId).loadCodes(['A', 'B']);
  const result = await impatient.campaign(campaignId).issue({ userId: 'ann' });
  expect(result).toMatchObject({ status: 'accepted', issuance: { serial: 1, code: null } });
  expect(await rowsOf(database, campaignId)).toEqual([]);
  for (const commit of commits) commit();
  await Promise.all(committed);
  expect(await rowsOf(database, campaignId)).toHaveLength(1);

  const issuer = new CouponIssuer({ redis, persistence: postgres });
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ available: 1, reserved: 1 });
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  expect(await issuer.campaign(campaignId).userStatus({ userId: 'ann' })).toMatchObject({
    status: 'issued',
    issuances: [{ code: 'A' }],
  });
  await audit(await rowsOf(database, campaignId));
});

test('NotSavedError: unit and code are back at the head, once, also when the release runs twice', async () => {
  const client = recording(redis);
  const issuer = await openWithCodes(persistence, client as unknown as Redis);
  persistence.next(fails(new NotSavedError('the table is missing')));
  const error = await issuer
    .campaign(campaignId)
    .issue({ userId: 'ann' })
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(NotIssuedError);
  expect((error as Error).message).toContain('the table is missing');
  expect(await pool()).toEqual(['1:A', '2:B', '3:C']);
  const release = client.calls.filter(({ sha1 }) => sha1 === shaOf(scripts.release)).at(-1)!;
  expect(await release.replay()).toEqual(['ok', expect.stringMatching(/^\d+$/), 'gone', '']);
  expect(await pool()).toEqual(['1:A', '2:B', '3:C']);
  expect(await issuer.campaign(campaignId).issue({ userId: 'bob' })).toMatchObject({
    issuance: { serial: 1, code: 'A' },
  });
  await issuer.idle();
  await audit();
});

test('NotSavedError after an attempt whose outcome is unknown: nothing is released', async () => {
  const issuer = await openWithCodes();
  persistence.next(fails(new Error('the connection is gone')), fails(new NotSavedError('no')));
  expect(await issuer.campaign(campaignId).issue({ userId: 'ann' })).toMatchObject({
    status: 'accepted',
    issuance: { code: null },
  });
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ available: 2, reserved: 1 });
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  await audit();
});

test('a save that stored the row before it threw is found by the second attempt', async () => {
  const issuer = await openWithCodes();
  persistence.next(async (issuances, memory) => {
    await memory.save(issuances);
    throw new Error('the reply is lost');
  });
  expect(await issuer.campaign(campaignId).issue({ userId: 'ann' })).toMatchObject({
    status: 'issued',
    issuance: { code: 'A' },
  });
  await issuer.idle();
  expect(await persistence.rows(campaignId)).toHaveLength(1);
  await audit();
});

test('a release that Redis refuses says nothing of the call: the unit is still held, and settle issues it', async () => {
  const issuer = await openWithCodes();
  persistence.next(async () => {
    await redis.config('SET', 'min-replicas-to-write', '1');
    throw new NotSavedError('no');
  });
  const error = await issuer
    .campaign(campaignId)
    .issue({ userId: 'ann' })
    .catch((thrown: unknown) => thrown);
  await redis.config('SET', 'min-replicas-to-write', '0');
  expect(error).toMatchObject({ code: 'REDIS', outcome: 'unknown', message: expect.stringContaining('NOREPLICAS') });
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  await audit();
});

test('a settle pass ends, though the database hangs and leases run out faster than they can be settled', async () => {
  const issuer = await openWithCodes();
  for (const userId of ['ann', 'bob', 'cyd']) {
    persistence.next(fails(new Error('lost')), fails(new Error('lost')));
    await issuer.campaign(campaignId).issue({ userId });
  }
  await expireLeases(redis, campaignId);
  let saves = 0;
  const hanging: PersistenceAdapter = {
    save: async () => {
      saves++;
      await expireLeases(redis, campaignId);
      throw new Error('lost');
    },
  };
  const settler = new CouponIssuer({ redis, persistence: hanging, maxBatch: 1 });
  expect(await settler.campaign(campaignId).settle()).toEqual({ settled: 0, pending: 3, failed: 0 });
  expect(saves).toBeLessThanOrEqual(8);
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 3, pending: 0, failed: 0 });
  await audit();
});

test('one poison row in a batch of 500: 499 are issued, one is told NOT_ISSUED', async () => {
  const poisoned: PersistenceAdapter = {
    save: async (issuances: readonly Issuance[]) => {
      if (issuances.some(({ userId }) => userId === 'user-77')) throw new NotSavedError('one row is poison');
      return persistence.save(issuances);
    },
  };
  const issuer = new CouponIssuer({ redis, persistence: poisoned });
  await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 500 } });
  const results = await Promise.all(
    Array.from({ length: 500 }, (_, i) =>
      issuer
        .campaign(campaignId)
        .issue({ userId: `user-${i}` })
        .catch((error: unknown) => error),
    ),
  );
  await issuer.idle();
  expect(results.filter((result) => (result as { status?: string }).status === 'issued')).toHaveLength(499);
  expect(results.filter((result) => result instanceof NotIssuedError)).toHaveLength(1);
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ available: 1, reserved: 0, issued: 499 });
  await audit();
});

describe('after Redis was rolled back to an earlier state', () => {
  test('a serial that the database gave away is withdrawn and the next one is taken', async () => {
    const issuer = new CouponIssuer({ redis, persistence });
    await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 4 } });
    const row = { campaignId, grant: 1, code: null, issuedAt: new Date(), epoch: '1-old', state: 'reserved' as const };
    await persistence.memory.save([
      { ...row, id: 'a'.repeat(22), userId: 'ann', serial: 1 },
      { ...row, id: 'b'.repeat(22), userId: 'bob', serial: 3 },
    ]);
    const told = [];
    for (const userId of ['cyd', 'dan', 'eve']) told.push(await issuer.campaign(campaignId).issue({ userId }));
    expect(told).toMatchObject([{ issuance: { serial: 2 } }, { issuance: { serial: 4 } }, { status: 'sold_out' }]);
    await issuer.idle();
    expect((await persistence.rows(campaignId)).map(({ serial }) => serial)).toEqual([1, 2, 3, 4]);
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({
      available: 0,
      reserved: 0,
      issued: 2,
      withdrawn: 2,
    });
  });

  test('a user who has a row is told already_issued with that row, and the unit goes back', async () => {
    const issuer = new CouponIssuer({ redis, persistence });
    await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 4 } });
    const row = { campaignId, grant: 1, code: null, issuedAt: new Date(), epoch: '1-old', state: 'reserved' as const };
    await persistence.memory.save([{ ...row, id: 'a'.repeat(22), userId: 'ann', serial: 3 }]);
    const told = await issuer.campaign(campaignId).issue({ userId: 'ann' });
    expect(told).toMatchObject({ status: 'already_issued', issuances: [{ serial: 3, state: 'issued' }] });
    // Unit 3 is taken along with its row, so unit 2 is free as well.
    expect(await redis.lrange(`{coupon:${campaignId}}:returned`, 0, -1)).toEqual(['1', '2']);
    await issuer.idle();
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({
      available: 3,
      reserved: 0,
      issued: 1,
      withdrawn: 0,
    });
  });

  test('a process that saw a later stamp is refused rolled_back, by reserve and by settle', async () => {
    const issuer = new CouponIssuer({ redis, persistence });
    await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 4 } });
    const keys = (await redis.keys(`{coupon:${campaignId}}:*`)).map((key) => ({ key }));
    const copy = await Promise.all(keys.map(async ({ key }) => ({ key, dump: await redis.dumpBuffer(key) })));
    await issuer.campaign(campaignId).issue({ userId: 'ann' });
    await issuer.idle();
    await redis.del(...(await redis.keys(`{coupon:${campaignId}}:*`)));
    for (const { key, dump } of copy) await redis.restore(key, 0, dump);
    const refused = { status: 'not_ready', reason: 'rolled_back' };
    expect(await issuer.campaign(campaignId).issue({ userId: 'bob' })).toEqual(refused);
    await expect(issuer.campaign(campaignId).settle()).rejects.toMatchObject({
      code: 'NOT_READY',
      reason: 'rolled_back',
    });
    expect(await persistence.rows(campaignId)).toHaveLength(1);
  });

  test.each(['campaign', 'grants', 'senders', 'leases', 'pool'])(
    'a campaign without its key %s refuses: not_ready, missing',
    async (name) => {
      const issuer = await openWithCodes();
      const end = persistence.hold();
      const saving = persistence.reached();
      const zoe = issuer.campaign(campaignId).issue({ userId: 'zoe' });
      await saving;
      await redis.unlink(`{coupon:${campaignId}}:${name}`);
      expect(await issuer.campaign(campaignId).issue({ userId: 'ann' })).toEqual({
        status: 'not_ready',
        reason: 'missing',
      });
      end();
      expect(await zoe).toMatchObject({ status: 'issued' });
      await issuer.idle();
    },
  );
});
