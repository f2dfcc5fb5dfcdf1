import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  CampaignConflictError,
  type CampaignDefinition,
  type CouponEvent,
  CouponIssuer,
  MemoryPersistence,
  MisconfiguredError,
  type PersistenceAdapter,
  type RevokeAllRequest,
  type RevokeRequest,
} from '../../src/index.js';
import { MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { ScriptedPersistence } from '../support/scenes/campaigns.js';
import { makeRevokesDue, revokeRow } from '../support/scenes/revoking.js';
import { Database } from '../support/servers/database.js';
import { Mariadb } from '../support/servers/mariadb.js';
import { RedisServer } from '../support/servers/redis-server.js';

const STOCK = { stock: { kind: 'counted', total: 3, generateCodes: true } } as const;
let server: RedisServer;
let postgres: Database;
let mariadb: Mariadb;
let campaigns = 0;
let id: string;
beforeAll(async () => {
  [server, postgres, mariadb] = await Promise.all([RedisServer.start(), Database.create(), Mariadb.start()]);
});
afterAll(() => Promise.all([server.stop(), postgres.stop(), mariadb.stop()]));
beforeEach(() => {
  id = `revoke-${++campaigns}`;
});

/** An issuer, its events, and a coupon of kim under the request id `first`. */
async function scene(persistence: PersistenceAdapter, definition: CampaignDefinition = STOCK, issues = true) {
  const events: CouponEvent[] = [];
  const redis = server.client();
  const issuer = new CouponIssuer({ redis, persistence, onEvent: (event) => events.push(event) });
  const launch = issuer.campaign(id);
  await launch.open(definition);
  const issue = async (userId: string, requestId?: string) => {
    const result = await launch.issue({ userId, requestId });
    await issuer.idle();
    return result;
  };
  const first = issues ? await issue('kim', 'first') : null;
  if (first && first.status !== 'issued') throw new Error(first.status);
  const issuance = first?.issuance ?? { id: '', code: '' };
  events.length = 0;
  const check = async () => {
    await issuer.idle();
    const rows = await persistence.list!(id, { afterSerial: 0, limit: 100 });
    await checkInvariants({ redis, campaignId: id, rows: [...rows], settled: true });
  };
  return {
    redis,
    issuer,
    launch,
    issue,
    coupon: { userId: 'kim', code: issuance.code!, id: issuance.id },
    events,
    check,
  };
}

const R = { revocationId: 'fraud' };

describe.each(['memory', 'PostgreSQL', 'MariaDB'])('in %s a coupon that is revoked', (database) => {
  let persistence: PersistenceAdapter;
  beforeAll(async () => {
    if (database === 'memory') persistence = new MemoryPersistence();
    else {
      const made = database === 'MariaDB' ? new MysqlPersistence(mariadb.pool) : new PostgresPersistence(postgres.pool);
      await made.createTable();
      persistence = made;
    }
  });

  test('is not redeemed any more, and its unit is kept', async () => {
    const { launch, issue, coupon, events, check } = await scene(persistence);
    const revoked = await launch.revoke({ code: coupon.code, ...R });
    expect(revoked).toMatchObject({ status: 'taken_back', stock: 'done', coupon: { id: coupon.id, state: 'revoked' } });
    const ref = { campaignId: id, id: coupon.id, userId: 'kim', serial: 1, grant: 1 };
    expect(events).toEqual([
      { type: 'revoked', ...ref, unit: 'kept', again: false },
      { type: 'taken_back', ...ref },
    ]);
    const { revokedAt } = (revoked as { coupon: { revokedAt: Date } }).coupon;
    expect(await launch.redeem({ ...coupon, id: undefined, redemptionId: 'o' })).toEqual({
      status: 'revoked',
      revokedAt,
    });
    expect(await launch.inspect()).toMatchObject({ available: 2, issued: 1, total: 3 });
    const told = { status: 'revoked', issuance: { id: coupon.id, code: null, state: 'revoked' } };
    expect(await issue('kim', 'first')).toMatchObject(told);
    expect(events.at(-1)).toEqual({ type: 'refused', campaignId: id, status: 'revoked', count: 1 });
    expect(await issue('kim', 'second')).toMatchObject({ status: 'already_issued', issuances: [told.issuance] });
    expect(await launch.userStatus({ userId: 'kim' })).toMatchObject({ status: 'revoked', issuances: [told.issuance] });
    await check();
  });

  test('gives the stock a new unit if it is returned, and the total stays', async () => {
    const { launch, issue, coupon, check } = await scene(persistence);
    await launch.revoke({ code: coupon.code, ...R, unit: 'returned' });
    expect(await launch.inspect()).toMatchObject({ available: 3, issued: 1, total: 3 });
    const others = await Promise.all(['ann', 'bob', 'cho', 'dan'].map((userId) => issue(userId)));
    expect(others.map(({ status }) => status).sort()).toEqual(['issued', 'issued', 'issued', 'sold_out']);
    const serials = others.flatMap((one) => (one.status === 'issued' ? [one.issuance.serial] : []));
    expect(serials.sort()).toEqual([2, 3, 4]);
    await check();
  });

  test('keeps its unit as the first call chose, and a restock brings it back', async () => {
    const { launch, issue, coupon, check } = await scene(persistence);
    const first = await launch.revoke({ code: coupon.code, ...R });
    const another = { code: coupon.code, ...R, unit: 'returned', again: true } as const;
    expect(await launch.revoke(another)).toEqual({ ...first, replayed: true });
    expect(await issue('kim', 'second')).toMatchObject({ status: 'already_issued' });
    expect(await launch.inspect()).toMatchObject({ available: 2, issued: 1, revoked: 1, total: 3, replaced: 0 });
    await launch.restock({ add: 1, requestId: `back for ${coupon.id}` });
    expect(await launch.inspect()).toMatchObject({ available: 3, issued: 1, revoked: 1, total: 4, replaced: 0 });
    await check();
  });

  test('lets its user ask again: the old request id is told revoked, a new one gets a coupon', async () => {
    const { launch, issue, coupon, check } = await scene(persistence);
    expect(await launch.revoke({ id: coupon.id, userId: 'kim', ...R, again: true, unit: 'returned' })).toMatchObject({
      status: 'taken_back',
      stock: 'done',
    });
    expect(await launch.userStatus({ userId: 'kim' })).toEqual({ status: 'none', issuances: [] });
    const told = { status: 'revoked', issuance: { id: coupon.id, code: null } };
    expect(await issue('kim', 'first')).toMatchObject(told);
    expect(await launch.inspect()).toMatchObject({ available: 3, reserved: 0, issued: 0, total: 3 });
    expect(await issue('kim', 'second')).toMatchObject({ status: 'issued' });
    expect(await issue('kim', 'third')).toMatchObject({ status: 'already_issued' });
    expect(await launch.inspect()).toMatchObject({ available: 2, reserved: 0, issued: 1, total: 3 });
    await check();
  });

  test('is revoked once: a repeat finds its answer, another revocation is told, and a redeemed coupon stays', async () => {
    const { launch, issue, coupon, events, check } = await scene(persistence);
    const { code } = coupon;
    const first = await launch.revoke({ code, ...R, unit: 'returned' });
    events.length = 0;
    expect(await launch.revoke({ code, ...R, unit: 'returned' })).toEqual({ ...first, replayed: true });
    const other = { code, revocationId: 'other', again: true };
    expect(await launch.revoke(other)).toMatchObject({ status: 'revoked', revokedAt: expect.any(Date) });
    expect(events).toEqual([]);
    expect(await launch.inspect()).toMatchObject({ available: 3, issued: 1 });

    const ann = await issue('ann');
    const redeemed = { userId: 'ann', code: (ann as { issuance: { code: string } }).issuance.code };
    await launch.redeem({ ...redeemed, redemptionId: 'order' });
    expect(await launch.revoke({ ...redeemed, ...R })).toMatchObject({ status: 'already_redeemed' });
    await launch.unredeem({ ...redeemed, redemptionId: 'order' });
    expect(await launch.revoke({ ...redeemed, ...R })).toMatchObject({ status: 'taken_back' });
    expect(await launch.revoke({ code: 'NONE', ...R })).toEqual({ status: 'not_found' });
    expect(await launch.revoke({ code, userId: 'lee', ...R })).toEqual({ status: 'not_found' });
    await check();
  });
});

describe('a campaign', () => {
  test('with a pool: a unit of a pool is not returned, and the coupon stays as it is', async () => {
    const persistence = new MemoryPersistence();
    const issuer = new CouponIssuer({ redis: server.client(), persistence });
    const launch = issuer.campaign(id);
    await launch.open({ stock: { kind: 'codes' } });
    await launch.loadCodes(['AAA-1', 'AAA-2']);
    await launch.issue({ userId: 'kim' });
    const [row] = await persistence.list(id, { afterSerial: 0, limit: 1 });
    const request = { userId: 'kim', id: row!.id, revocationId: 'R' };
    await expect(launch.revoke({ ...request, unit: 'returned' })).rejects.toBeInstanceOf(CampaignConflictError);
    expect((await persistence.list(id, { afterSerial: 0, limit: 1 }))[0]).toEqual(row);
    expect(await launch.revoke({ ...request, again: true })).toMatchObject({ status: 'taken_back', stock: 'done' });
    expect(await launch.issue({ userId: 'kim' })).toMatchObject({
      status: 'issued',
      issuance: { code: expect.any(String) },
    });
  });

  test('that is over is asked for the row alone', async () => {
    const { launch, coupon } = await scene(new MemoryPersistence());
    await launch.closeForGood();
    await launch.purge();
    const request = { code: coupon.code, ...R };
    await expect(launch.revoke({ ...request, again: true })).rejects.toThrow('is over');
    expect(await launch.revoke(request)).toMatchObject({ status: 'taken_back', stock: 'done' });
  });

  test('with two coupons for each user frees the grant of one of them', async () => {
    const { launch, issue, coupon, check } = await scene(new MemoryPersistence(), { ...STOCK, perUser: 2 });
    await issue('kim', 'second');
    await launch.revoke({ code: coupon.code, ...R, again: true, unit: 'returned' });
    expect(await launch.userStatus({ userId: 'kim' })).toMatchObject({ status: 'issued', issuances: [{ serial: 2 }] });
    expect(await issue('kim', 'third')).toMatchObject({ status: 'issued' });
    expect(await issue('kim', 'fourth')).toMatchObject({ status: 'already_issued' });
    await check();
  });

  test('with a waiting room: a watcher hears of a coupon that is revoked, and the next user gets its unit', async () => {
    const persistence = new MemoryPersistence();
    const issuer = new CouponIssuer({ redis: server.client(), persistence });
    const launch = issuer.campaign(id);
    await launch.open({ stock: { kind: 'counted', total: 1 }, admission: 'queued' });
    await launch.join({ userId: 'kim', requestId: 'first' });
    await launch.admit({ count: 1 });
    await issuer.idle();
    const [row] = await persistence.list(id, { afterSerial: 0, limit: 1 });
    expect(await launch.join({ userId: 'lee' })).toMatchObject({ status: 'sold_out' });
    expect(await launch.revoke({ userId: 'kim', id: row!.id, ...R, unit: 'returned' })).toMatchObject({
      stock: 'done',
    });
    expect(await launch.join({ userId: 'kim', requestId: 'first' })).toMatchObject({ status: 'revoked' });
    expect(await launch.leave({ userId: 'kim' })).toMatchObject({ status: 'revoked' });
    const watched: string[] = [];
    for await (const { status } of launch.watch({ userId: 'kim' })) watched.push(status);
    expect(watched).toEqual(['revoked']);
    expect(await launch.join({ userId: 'lee' })).toMatchObject({ status: 'waiting' });
    expect(await launch.admit({ count: 1 })).toMatchObject({ issued: 1 });
    await issuer.close();
  });
});

describe('many coupons', () => {
  test('are revoked by their users, by a list of coupons and by what expired, each once', async () => {
    const persistence = new MemoryPersistence();
    const issuer = new CouponIssuer({ redis: server.client(), persistence });
    const launch = issuer.campaign(id);
    await launch.open({ stock: { kind: 'counted', total: 30 } });
    const users = Array.from({ length: 20 }, (_, i) => `user-${i}`);
    await Promise.all(users.map((userId) => launch.issue({ userId })));
    await issuer.idle();
    const none = { alreadyRedeemed: 0, revoked: 0, notFound: 0, stock: 'done', notSavedYet: [] };
    const request = { revocationId: 'R', unit: 'returned' } as const;
    expect(await launch.revokeAll({ ...request, users: [...users.slice(0, 5), 'nobody'] })).toEqual({
      ...none,
      ...{ done: 6, takenBack: 5, notFound: 1 },
    });
    const coupons = await persistence.list(id, { afterSerial: 5, limit: 5 });
    expect(await launch.revokeAll({ ...request, coupons })).toEqual({ ...none, done: 5, takenBack: 5 });
    expect(await launch.revokeAll({ ...request, revocationId: 'other', coupons: launch.coupons() })).toEqual({
      ...none,
      ...{ done: 20, takenBack: 10, revoked: 10 },
    });
    expect(await launch.inspect()).toMatchObject({ available: 30, total: 30 });
  });

  test('end with the reason of an aborted signal, and a second run goes on', async () => {
    const { launch, coupon } = await scene(new MemoryPersistence());
    const abort = new AbortController();
    const request = { ...R, coupons: [coupon, { code: 'NONE' }] };
    const onProgress = () => abort.abort(new Error('enough'));
    await expect(launch.revokeAll({ ...request, onProgress, signal: abort.signal })).rejects.toThrow('enough');
    expect(await launch.revokeAll(request)).toMatchObject({ done: 2, takenBack: 1, notFound: 1 });
  });

  test('users whose second coupon is not saved yet are named', async () => {
    const { launch } = await scene(new MemoryPersistence(), { ...STOCK, perUser: 2, saveMode: 'write-behind' }, false);
    await launch.issue({ userId: 'kim' });
    await launch.settle();
    await launch.issue({ userId: 'kim' });
    expect(await launch.revokeAll({ users: ['kim'], ...R })).toMatchObject({ takenBack: 1, notSavedYet: ['kim'] });
  });

  test('are revoked also if they are more than the queue of the process takes', async () => {
    const persistence = new MemoryPersistence();
    const redis = server.client();
    const launch = new CouponIssuer({ redis, persistence }).campaign(id);
    await launch.open({ stock: { kind: 'counted', total: 40 }, perUser: 5 });
    const users = ['ann', 'bob', 'cho', 'dan'];
    for (let nth = 0; nth < 5; nth++) await Promise.all(users.map((userId) => launch.issue({ userId })));
    const small = new CouponIssuer({ redis, persistence, maxQueued: 3 }).campaign(id);
    expect(await small.revokeAll({ ...R, users: users.slice(0, 2) })).toMatchObject({ takenBack: 10, notSavedYet: [] });
    expect(await small.revokeAll({ ...R, coupons: launch.coupons() })).toMatchObject({ done: 20, takenBack: 20 });
  });

  test('a user whose row is saved while the list is read is named', async () => {
    const persistence = new ScriptedPersistence();
    const redis = server.client();
    const shop = new CouponIssuer({ redis, persistence });
    await shop.campaign(id).open(STOCK);
    const release = persistence.hold();
    const saving = persistence.reached();
    const issuing = shop.campaign(id).issue({ userId: 'kim' });
    await saving;
    const { memory } = persistence;
    const listByUser = async (...args: Parameters<MemoryPersistence['listByUser']>) => {
      const rows = await memory.listByUser(...args);
      release();
      await issuing;
      await shop.idle();
      return rows;
    };
    const late = Object.assign(Object.create(memory) as MemoryPersistence, { ...bound(memory), listByUser });
    const launch = new CouponIssuer({ redis, persistence: late }).campaign(id);
    const request = { ...R, users: ['kim', 'nobody'] };
    expect(await launch.revokeAll(request)).toMatchObject({ takenBack: 0, notFound: 1, notSavedYet: ['kim'] });
    expect(await launch.revokeAll(request)).toMatchObject({ takenBack: 1, notFound: 1, notSavedYet: [] });
  });

  test('a user whose limit was raised by another process is named', async () => {
    const persistence = new MemoryPersistence();
    const [shop, other] = [1, 2].map(() => new CouponIssuer({ redis: server.client(), persistence }).campaign(id));
    await shop!.open({ ...STOCK, saveMode: 'write-behind' });
    await other!.inspect();
    await shop!.issue({ userId: 'kim' });
    await shop!.settle();
    await shop!.update({ perUser: 2, requestId: 'more' });
    expect(await shop!.issue({ userId: 'kim' })).toMatchObject({ status: 'accepted' });
    expect(await other!.revokeAll({ ...R, users: ['kim'] })).toMatchObject({ takenBack: 1, notSavedYet: ['kim'] });
  });

  test('a user whose limit Redis has lost is named', async () => {
    const { launch, redis } = await scene(new MemoryPersistence());
    await redis.flushall();
    const told = { takenBack: 1, stock: 'pending', notSavedYet: ['kim'] };
    expect(await launch.revokeAll({ ...R, users: ['kim'] })).toMatchObject(told);
  });

  test('users of whom Redis cannot say are named, and their rows are revoked all the same', async () => {
    const persistence = new MemoryPersistence();
    const redis = server.client();
    const launch = new CouponIssuer({ redis, persistence }).campaign(id);
    const definition = { ...STOCK, perUser: 2, saveMode: 'write-behind' } as const;
    await launch.open(definition);
    await launch.issue({ userId: 'kim' });
    await launch.settle();
    const { issuance } = (await launch.issue({ userId: 'lee' })) as { issuance: { id: string } };
    const list = () => Promise.reject(new Error('away'));
    const failing = Object.assign(Object.create(persistence) as MemoryPersistence, { ...bound(persistence), list });
    const rebuilding = new CouponIssuer({ redis, persistence: failing }).campaign(id);
    await expect(rebuilding.rebuild(definition)).rejects.toThrow('list');
    const named = ['kim', 'lee'];
    expect(await launch.revokeAll({ ...R, users: named })).toMatchObject({
      ...{ takenBack: 1, notFound: 0, notSavedYet: named },
    });
    const coupons = [{ id: issuance.id, userId: 'lee' }];
    expect(await launch.revokeAll({ ...R, coupons })).toMatchObject({ notFound: 0, notSavedYet: ['lee'] });
    const revoking = launch.revokeAll({ ...R, coupons, unit: 'returned' });
    await expect(revoking).rejects.toMatchObject({ code: 'NOT_READY' });
    await launch.rebuild(definition);
    await launch.settle();
    expect(await launch.revokeAll({ ...R, users: named })).toMatchObject({ takenBack: 2, notSavedYet: [] });
  });
});

/** The methods of an adapter in memory, for one that stands before it. */
function bound(memory: MemoryPersistence): Partial<PersistenceAdapter> {
  return {
    save: memory.save.bind(memory),
    look: memory.look.bind(memory),
    change: memory.change.bind(memory),
    list: memory.list.bind(memory),
    listByUser: memory.listByUser.bind(memory),
  };
}

describe('a request is refused before any I/O', () => {
  const good = { code: 'A', revocationId: 'r' };
  test.each<[string, object, string]>([
    ['no revocationId', { code: 'A' }, 'revocationId must be a string'],
    ['an id without a user', { id: 'x', revocationId: 'r' }, 'userId must be a string'],
    ['a unit that is neither', { ...good, unit: 'back' }, "unit must be 'kept' or 'returned'"],
    ['again that is no boolean', { ...good, again: 'yes' }, 'again must be'],
    ['a misspelt option', { ...good, reason: 'fraud' }, "has no property 'reason'"],
  ])('%s', async (_, request, message) => {
    const issuer = new CouponIssuer({ redis: server.client(), persistence: new MemoryPersistence() });
    await expect(issuer.campaign(id).revoke(request as RevokeRequest)).rejects.toThrow(message);
  });

  test.each<[string, object, string]>([
    ['neither users nor coupons', {}, 'takes users or coupons'],
    ['users and coupons', { users: [], coupons: [] }, 'takes users or coupons'],
    ['users that are none', { users: 7 }, 'users must be an iterable'],
    ['a user that is a number', { users: ['kim', 7] }, 'users[1] must be a string'],
    ['a coupon without code and id', { coupons: [{ userId: 'kim' }] }, 'coupons[0].code must be a string'],
    ['a coupon of another campaign', { coupons: [{ ...good, campaignId: 'x' }] }, 'coupons[0].campaignId'],
  ])('many: %s', async (_, request, message) => {
    const issuer = new CouponIssuer({ redis: server.client(), persistence: new MemoryPersistence() });
    const asked = { revocationId: 'r', ...request } as RevokeAllRequest;
    await expect(issuer.campaign(id).revokeAll(asked)).rejects.toThrow(message);
  });
});

test('an adapter that cannot change rows revokes nothing', async () => {
  const issuer = new CouponIssuer({ redis: server.client(), persistence: { save: async () => [] } });
  await expect(issuer.campaign(id).revoke({ code: 'A', ...R })).rejects.toBeInstanceOf(MisconfiguredError);
});

test('settle meets a row that was revoked: it delivers nothing again and takes the unit back', async () => {
  const memory = new MemoryPersistence();
  let delivered = 0;
  const persistence: PersistenceAdapter = Object.assign(Object.create(memory) as MemoryPersistence, {
    save: async (rows: Parameters<MemoryPersistence['save']>[0]) => {
      await memory.save(rows);
      throw new Error('connection reset');
    },
    find: (rows: Parameters<MemoryPersistence['find']>[0]) => memory.find(rows),
  });
  const redis = server.client();
  const events: string[] = [];
  const onEvent = ({ type }: CouponEvent) => void events.push(type);
  const issuer = new CouponIssuer({
    redis,
    persistence,
    deliver: async () => void delivered++,
    onEvent,
    timeoutMs: 500,
  });
  const launch = issuer.campaign(id);
  await launch.open(STOCK, { skipRowCheck: true });
  expect(await launch.issue({ userId: 'kim' })).toMatchObject({ status: 'accepted' });
  await issuer.idle();
  const [row] = await memory.list(id, { afterSerial: 0, limit: 1 });
  await revokeRow(memory, row!, { again: true, returned: true });
  await expireLeases(redis, id);
  const before = delivered;
  expect(await launch.settle()).toMatchObject({ settled: 1, pending: 0 });
  expect(delivered).toBe(before);
  expect(events.filter((type) => type === 'taken_back')).toEqual(['taken_back']);
  expect(await launch.inspect()).toMatchObject({ available: 3, total: 3, reserved: 0, issued: 0 });
});

test('a return that a rebuild refuses is announced anew, and a worker ends it', async () => {
  const memory = new MemoryPersistence();
  let [pages, stops] = [0, false];
  const redis = server.client();
  const list = async (...args: Parameters<MemoryPersistence['list']>) => {
    if (stops && ++pages > 1) throw new Error('connection reset');
    return memory.list(...args);
  };
  const rebuilding = new CouponIssuer({
    redis,
    persistence: Object.assign(Object.create(memory) as MemoryPersistence, { save: memory.save.bind(memory), list }),
  });
  const change = async (...args: Parameters<MemoryPersistence['change']>) => {
    stops = true;
    await redis.flushall();
    await expect(rebuilding.campaign(id).rebuild(STOCK)).rejects.toThrow('list');
    stops = false;
    return memory.change(...args);
  };
  const { launch, coupon } = await scene(memory);
  const look = (...args: Parameters<MemoryPersistence['look']>) => memory.look(...args);
  const revoking = new CouponIssuer({ redis, persistence: { save: (rows) => memory.save(rows), look, change } });
  const request = { code: coupon.code, ...R, unit: 'returned' } as const;
  expect(await revoking.campaign(id).revoke(request)).toMatchObject({ status: 'taken_back', stock: 'pending' });
  await launch.rebuild(STOCK);
  expect(await launch.inspect()).toMatchObject({ available: 2 });
  await makeRevokesDue(redis, id);
  await launch.settle();
  expect(await launch.inspect()).toMatchObject({ available: 3, total: 3 });
});
