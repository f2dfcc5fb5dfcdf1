import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type CampaignDefinition,
  type CouponEvent,
  CouponIssuer,
  MemoryPersistence,
  type PersistenceAdapter,
} from '../../src/index.js';
import { MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { checkInvariants } from '../support/checks/invariants.js';
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
async function scene(persistence: PersistenceAdapter, definition: CampaignDefinition = STOCK) {
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
  const first = await issue('kim', 'first');
  if (first.status !== 'issued') throw new Error(first.status);
  const { issuance } = first;
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
