import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Campaign, CouponIssuer, type Issuance, type PersistenceAdapter } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { Actor, type Outcome } from '../support/actors/actor.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { makeRevokesDue } from '../support/scenes/revoking.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';

const TOTAL = 3;
const DEFINITION = { stock: { kind: 'counted', total: TOTAL, generateCodes: true } } as const;
const USERS = 10_000;
const ROUNDS = 15;

let server: RedisServer;
let redis: Redis;
let database: Database;
let persistence: PostgresPersistence;
let issuer: CouponIssuer;
let launch: Campaign;
let campaigns = 0;
beforeAll(async () => {
  [server, database] = await Promise.all([RedisServer.start(), Database.create()]);
  redis = server.client();
  persistence = new PostgresPersistence(database.pool);
  await persistence.createTable();
  issuer = new CouponIssuer({ redis, persistence });
});
afterAll(() => Promise.all([server.stop(), database.stop()]));
beforeEach(() => {
  launch = issuer.campaign(`revoke-${++campaigns}`);
});

const start = (config: Partial<Parameters<typeof Actor.start>[0]> = {}) =>
  Actor.start({ redisPort: server.port, postgresUrl: database.url, identifies: true, ...config });

async function couponOf(userId: string, of: Campaign = launch): Promise<Issuance> {
  const result = await of.issue({ userId });
  if (result.status !== 'issued') throw new Error(result.status);
  await issuer.idle();
  return result.issuance;
}

/** What the test's own query finds. */
async function stateOf({ campaignId, serial }: Issuance): Promise<{ state: string; by: string | null }> {
  const sql = 'SELECT state, state_by AS by FROM coupon_issuances WHERE campaign_id = $1 AND serial = $2';
  return (await database.pool.query(sql, [campaignId, serial])).rows[0];
}

/** One pass of a worker, after the announcements are due. Then nothing is left of them. */
async function pass(): Promise<void> {
  await makeRevokesDue(redis, launch.id);
  await launch.settle();
  const fields = Object.keys(await redis.hgetall(`{coupon:${launch.id}}:campaign`));
  expect(fields.filter((field) => field.startsWith('revoking:'))).toEqual([]);
  await check();
}

async function check(): Promise<void> {
  await issuer.idle();
  const rows = await persistence.list(launch.id, { afterSerial: 0, limit: 2 * USERS });
  await checkInvariants({ redis, campaignId: launch.id, rows: [...rows], settled: true });
}

const statusOf = (outcome: Outcome | undefined) => (outcome as { result: { status: string } }).result.status;
const named = ({ id, userId }: Issuance) => ({ id, userId });

describe.each([
  ['whose unit is returned', { unit: 'returned', again: false }],
  ['whose user may ask again', { unit: 'kept', again: true }],
  ['whose unit and grant are free', { unit: 'returned', again: true }],
  ['whose unit is kept', { unit: 'kept', again: false }],
] as const)('a process is killed while it revokes a coupon %s', (_, how) => {
  const free = TOTAL - (how.unit === 'returned' ? 0 : 1);

  test.each([
    ['before look', 'issued'],
    ['after look', 'issued'],
    ['before announce-revoke', 'issued'],
    ['after announce-revoke', 'issued'],
    ['before change', 'issued'],
    ['after change', 'revoked'],
    ['before take-back', 'revoked'],
    ['after take-back', 'revoked'],
  ] as const)('%s, and one pass of a worker ends it', async (point, left) => {
    await launch.open(DEFINITION);
    const coupon = await couponOf('ann');
    const request = { ...named(coupon), revocationId: 'R', ...how };
    // A script that Redis does not know is sent whole, and reached in another way.
    await launch.revoke({ ...named(await couponOf('bob')), revocationId: 'before', unit: 'returned', again: true });
    const actor = await start({ holdAt: { point } });
    actor.order({ calls: [['revoke', launch.id, request]] });
    await actor.reaches(point);
    expect(await actor.kill()).toBe('SIGKILL');
    expect(await stateOf(coupon)).toMatchObject({ state: left });
    await pass();
    const isRevoked = left === 'revoked';
    expect(await launch.inspect()).toMatchObject({
      available: isRevoked ? free : TOTAL - 1,
      total: TOTAL,
      reserved: 0,
    });
    const { status } = await launch.userStatus({ userId: 'ann' });
    expect(status).toBe(!isRevoked ? 'issued' : how.again ? 'none' : 'revoked');
    for (let round = 0; round < 2; round++) {
      expect(await launch.revoke(request)).toMatchObject({ status: 'taken_back', stock: 'done' });
      expect(await launch.inspect()).toMatchObject({ available: free, total: TOTAL });
    }
    await pass();
  });
});

test('a change that is late, after a worker has dropped its announcement, revokes nothing by itself', async () => {
  await launch.open(DEFINITION);
  const coupon = await couponOf('ann');
  const actor = await start({ holdAt: { point: 'before change' } });
  actor.order({ calls: [['revoke', launch.id, { ...named(coupon), revocationId: 'R', unit: 'returned' }]] });
  await actor.reaches('before change');
  await pass();
  actor.goOn();
  const [outcome] = await actor.reaches('done');
  expect(statusOf(outcome)).toBe('taken_back');
  expect(await launch.inspect()).toMatchObject({ available: TOTAL, total: TOTAL });
  await check();
  await actor.kill();
});

test('Redis is emptied between the change and the return of the unit, and a rebuild ends it', async () => {
  await launch.open(DEFINITION);
  const coupon = await couponOf('ann');
  const actor = await start({ holdAt: { point: 'before take-back' } });
  actor.order({
    calls: [['revoke', launch.id, { ...named(coupon), revocationId: 'R', unit: 'returned', again: true }]],
  });
  await actor.reaches('before take-back');
  await redis.flushall();
  await launch.rebuild(DEFINITION);
  actor.goOn();
  const [outcome] = await actor.reaches('done');
  expect(statusOf(outcome)).toBe('taken_back');
  expect(await launch.inspect()).toMatchObject({ available: TOTAL, total: TOTAL, issued: 0, ready: true });
  await pass();
  expect(await launch.issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
  await actor.kill();
});

test('a rebuild that read the row before its change refuses the return of the unit, and a worker ends it', async () => {
  await launch.open(DEFINITION);
  const coupon = await couponOf('ann');
  const revoker = await start({ holdAt: { point: 'before change' } });
  revoker.order({ calls: [['revoke', launch.id, { ...named(coupon), revocationId: 'R', unit: 'returned' }]] });
  await revoker.reaches('before change');
  await redis.flushall();
  const rebuilder = await start({ holdAt: { point: 'after rebuild-rows' } });
  rebuilder.order({ calls: [['rebuild', launch.id, DEFINITION]] });
  await rebuilder.reaches('after rebuild-rows');
  revoker.goOn();
  const [outcome] = await revoker.reaches('done');
  expect(outcome).toMatchObject({ result: { status: 'taken_back', stock: 'pending' } });
  rebuilder.goOn();
  await rebuilder.reaches('done');
  expect(await launch.inspect()).toMatchObject({ available: TOTAL - 1, ready: true });
  await pass();
  expect(await launch.inspect()).toMatchObject({ available: TOTAL, total: TOTAL });
  await Promise.all([revoker.kill(), rebuilder.kill()]);
});

test('while Redis is emptied, a coupon whose unit is kept is revoked, and any other one stays as it is', async () => {
  await launch.open(DEFINITION);
  const [ann, bob] = [await couponOf('ann'), await couponOf('bob')];
  await redis.flushall();
  const returned = { ...named(bob), revocationId: 'R', unit: 'returned' } as const;
  await expect(launch.revoke(returned)).rejects.toThrow();
  expect(await stateOf(bob)).toMatchObject({ state: 'issued' });
  const kept = { ...named(ann), revocationId: 'R' };
  expect(await launch.revoke(kept)).toMatchObject({ status: 'taken_back', stock: 'pending' });
  await launch.rebuild(DEFINITION);
  expect(await launch.userStatus({ userId: 'ann' })).toMatchObject({ status: 'revoked' });
  expect(await launch.revoke(kept)).toMatchObject({ status: 'taken_back', stock: 'done' });
  expect(await launch.revoke(returned)).toMatchObject({ status: 'taken_back', stock: 'done' });
  expect(await launch.inspect()).toMatchObject({ available: TOTAL - 1, total: TOTAL });
  await check();
});

test('while Redis hangs, a coupon whose unit is kept is revoked', async () => {
  await launch.open(DEFINITION);
  const ann = await couponOf('ann');
  const patient = new CouponIssuer({ redis, persistence, timeoutMs: 500 });
  const there = patient.campaign(launch.id);
  await there.inspect();
  server.signal('SIGSTOP');
  const kept = { ...named(ann), revocationId: 'R' };
  expect(await there.revoke(kept)).toMatchObject({ status: 'taken_back', stock: 'pending' });
  expect(await stateOf(ann)).toEqual({ state: 'revoked', by: 'R' });
  server.signal('SIGCONT');
  expect(await launch.revoke(kept)).toMatchObject({ status: 'taken_back', stock: 'done' });
  await pass();
});

test('while Redis hangs, a coupon that is about to be revoked is redeemed', async () => {
  await launch.open(DEFINITION);
  const ann = await couponOf('ann');
  // The time of a call runs out before Redis could answer.
  const patient = new CouponIssuer({ redis, persistence, timeoutMs: 1_000 });
  const there = patient.campaign(launch.id);
  await there.inspect();
  server.signal('SIGSTOP');
  const revoked = there.revoke({ ...named(ann), revocationId: 'R' });
  expect(await there.redeem({ ...named(ann), redemptionId: 'order-1' })).toMatchObject({ status: 'redeemed' });
  expect(await revoked).toMatchObject({ status: 'already_redeemed' });
  server.signal('SIGCONT');
  expect(await stateOf(ann)).toEqual({ state: 'redeemed', by: 'order-1' });
  await pass();
});

/** The rows of PostgreSQL, of which the replies to the first changes are lost. */
function losing(replies: number): PersistenceAdapter {
  let lost = 0;
  return Object.assign(Object.create(persistence) as PostgresPersistence, {
    save: (...args: Parameters<PostgresPersistence['save']>) => persistence.save(...args),
    look: (...args: Parameters<PostgresPersistence['look']>) => persistence.look(...args),
    change: async (...args: Parameters<PostgresPersistence['change']>) => {
      const verdicts = await persistence.change(...args);
      if (lost++ < replies) throw new Error('connection reset');
      return verdicts;
    },
    check: async () => ({ format: 1 }),
    identity: () => persistence.identity(),
    userIdFault: (userId: string) => persistence.userIdFault(userId),
  });
}

test('the reply to a change is lost, and the unit goes back once', async () => {
  await launch.open(DEFINITION);
  const coupon = await couponOf('ann');
  const rival = new CouponIssuer({ redis, persistence: losing(1) });
  const request = { ...named(coupon), revocationId: 'R', unit: 'returned' } as const;
  expect(await rival.campaign(launch.id).revoke(request)).toMatchObject({ status: 'taken_back', stock: 'done' });
  expect(await launch.inspect()).toMatchObject({ available: TOTAL, total: TOTAL });
  await pass();
});

test('the database falls silent after the change, and a worker takes the unit back', async () => {
  await launch.open(DEFINITION);
  const coupon = await couponOf('ann');
  const adapter = losing(1);
  const silent = Object.assign(Object.create(adapter) as PersistenceAdapter, {
    look: (() => {
      let looked = 0;
      return async (...args: Parameters<PostgresPersistence['look']>) => {
        if (looked++ > 0) throw new Error('connection reset');
        return persistence.look(...args);
      };
    })(),
  });
  const rival = new CouponIssuer({ redis, persistence: silent });
  const request = { ...named(coupon), revocationId: 'R', unit: 'returned' } as const;
  await expect(rival.campaign(launch.id).revoke(request)).rejects.toMatchObject({
    code: 'PERSISTENCE',
    outcome: 'unknown',
  });
  expect(await stateOf(coupon)).toEqual({ state: 'revoked', by: 'R' });
  expect(await launch.inspect()).toMatchObject({ available: TOTAL - 1 });
  await pass();
  expect(await launch.inspect()).toMatchObject({ available: TOTAL, total: TOTAL });
});

test(`two processes revoke one coupon at once, each under its own id and kind, in ${ROUNDS} rounds`, async () => {
  await launch.open({ stock: { kind: 'counted', total: ROUNDS, generateCodes: true } });
  const actors = await Promise.all([start(), start()]);
  for (let round = 0; round < ROUNDS; round++) {
    const coupon = await couponOf(`user-${round}`);
    const told = await Promise.all(
      actors.map(async (actor, i) => {
        const request = {
          ...named(coupon),
          revocationId: `R${i}`,
          ...(i === 0 && { unit: 'returned' }),
          again: i === 1,
        };
        actor.order({ calls: [['revoke', launch.id, request]] });
        return statusOf((await actor.reaches('done'))[0]);
      }),
    );
    expect([...told].sort()).toEqual(['revoked', 'taken_back']);
    expect((await stateOf(coupon)).by).toBe(`R${told.indexOf('taken_back')}`);
  }
  await pass();
  const { returned } = await launch.tally();
  expect(await launch.inspect()).toMatchObject({ available: returned, total: ROUNDS });
  for (const actor of actors) expect(await actor.kill()).toBe('SIGKILL');
});

test('a coupon is revoked while its settle stands before the confirm, and the unit goes back once', async () => {
  await launch.open({ ...DEFINITION, saveMode: 'write-behind' });
  expect(await launch.issue({ userId: 'ann', requestId: 'first' })).toMatchObject({ status: 'accepted' });
  const actor = await start({ holdAt: { point: 'before confirm' } });
  actor.order({ calls: [['settle', launch.id]] });
  await actor.reaches('before confirm');
  const [row] = await persistence.list(launch.id, { afterSerial: 0, limit: 1 });
  const request = { ...named(row!), revocationId: 'R', unit: 'returned', again: true } as const;
  expect(await launch.revoke(request)).toMatchObject({ status: 'taken_back', stock: 'done' });
  actor.goOn();
  await actor.reaches('done');
  await actor.kill();
  expect(await launch.inspect()).toMatchObject({ available: TOTAL, total: TOTAL, reserved: 0, issued: 0 });
  await pass();
});

test('settle meets a row that was revoked, delivers nothing and takes the unit back', async () => {
  const delivered: string[] = [];
  const delivering = new CouponIssuer({ redis, persistence, deliver: async ({ id }) => void delivered.push(id) });
  await delivering.campaign(launch.id).open(DEFINITION);
  const first = await start({ delivers: true, holdAt: { point: 'before confirm' } });
  first.order({ calls: [['issue', launch.id, { userId: 'ann' }]] });
  await first.reaches('before confirm');
  await first.kill();
  const [row] = await persistence.list(launch.id, { afterSerial: 0, limit: 1 });
  const second = await start({ delivers: true, holdAt: { point: 'before take-back' } });
  second.order({ calls: [['revoke', launch.id, { ...named(row!), revocationId: 'R', unit: 'returned' }]] });
  await second.reaches('before take-back');
  await second.kill();
  await expireLeases(redis, launch.id);
  expect(await delivering.campaign(launch.id).settle()).toMatchObject({ settled: 1, pending: 0 });
  expect(delivered).toEqual([]);
  expect(await delivering.campaign(launch.id).inspect()).toMatchObject({ available: TOTAL, total: TOTAL, reserved: 0 });
  await check();
});

test(`a process is killed while it revokes ${USERS} users, and a second run revokes each once`, async () => {
  await launch.open({ stock: { kind: 'counted', total: USERS } });
  const users = Array.from({ length: USERS }, (_, i) => `user-${i}`);
  await Promise.all(users.map((userId) => launch.issue({ userId })));
  await issuer.idle();
  const request = { users, revocationId: 'R', unit: 'returned', again: true } as const;
  const actor = await start({ holdAt: { point: 'before take-back', nth: 33 } });
  actor.order({ calls: [['revokeAll', launch.id, request]] });
  await actor.reaches('before take-back');
  expect(await actor.kill()).toBe('SIGKILL');
  const half = await launch.tally();
  expect(half.revoked).toBeGreaterThan(1_000);
  expect(half.revoked).toBeLessThan(USERS);
  const seen: number[] = [];
  const result = await launch.revokeAll({ ...request, onProgress: ({ done }) => void seen.push(done) });
  expect(result).toEqual({
    ...{ done: USERS, takenBack: USERS, alreadyRedeemed: 0, revoked: 0, notFound: 0 },
    ...{ stock: 'done', notSavedYet: [] },
  });
  expect(seen).toEqual(Array.from({ length: USERS / 500 }, (_, i) => 500 * (i + 1)));
  expect(await launch.tally()).toMatchObject({ revoked: USERS, returned: USERS, issued: 0 });
  expect(await launch.inspect()).toMatchObject({ available: USERS, total: USERS, issued: 0, reserved: 0 });
  await pass();
}, 60_000);
