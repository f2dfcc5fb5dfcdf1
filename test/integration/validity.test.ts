import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type CampaignDefinition,
  CouponIssuer,
  type CouponIssuerOptions,
  type Issuance,
  type IssueResult,
  issuanceOf,
  MemoryPersistence,
  type PersistenceAdapter,
  type Validity,
} from '../../src/index.js';
import { MysqlPersistence } from '../../src/persistence/mysql/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { expireLeases } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { dump, fails, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { CountingClient } from '../support/servers/counting-client.js';
import { Database } from '../support/servers/database.js';
import { Mariadb } from '../support/servers/mariadb.js';
import { RedisServer } from '../support/servers/redis-server.js';

const HOUR = 3_600_000;
const STOCK = { stock: { kind: 'counted', total: 100, generateCodes: true } } as const;
const WEEK = { days: 7, timeZone: 'Asia/Seoul' } as const;
const signal = new AbortController().signal;
let server: RedisServer;
let redis: Redis;
let postgres: Database;
let mariadb: Mariadb;
let campaigns = 0;
let id: string;
beforeAll(async () => {
  [server, postgres, mariadb] = await Promise.all([RedisServer.start(), Database.create(), Mariadb.start()]);
  redis = server.client();
});
afterAll(() => Promise.all([server.stop(), postgres.stop(), mariadb.stop()]));
beforeEach(() => {
  id = `validity-${++campaigns}`;
});

const issuerWith = (persistence: PersistenceAdapter, options: Partial<CouponIssuerOptions> = {}) =>
  new CouponIssuer({ redis, persistence, ...options });
/** A result that has a coupon, and one that has several. */
type Told = Extract<IssueResult, { status: 'issued' }>;
type Listed = Extract<IssueResult, { status: 'already_issued' }>;
const lastsOf = ({ issuedAt, expiresAt }: Issuance) => (expiresAt?.getTime() ?? Number.NaN) - issuedAt.getTime();

async function opened(definition: Partial<CampaignDefinition>, options: Partial<CouponIssuerOptions> = {}) {
  const persistence = new ScriptedPersistence();
  const issuer = issuerWith(persistence, options);
  const launch = issuer.campaign(id);
  await launch.open({ ...STOCK, ...definition });
  return { persistence, issuer, launch };
}

describe('the validity of a campaign', () => {
  test('is part of its definition: another process finds it by the same one, and by no other', async () => {
    const { launch } = await opened({ validity: WEEK });
    const other = issuerWith(new ScriptedPersistence()).campaign(id);
    expect(await other.open({ ...STOCK, validity: WEEK })).toMatchObject({
      status: 'exists',
      campaign: { validity: { ...WEEK, until: null, forMs: null } },
    });
    const refused = (validity: Validity | undefined) => other.open({ ...STOCK, validity });
    await expect(refused({ ...WEEK, days: 8 })).rejects.toThrow('validity.days is 7, not 8');
    await expect(refused({ ...WEEK, timeZone: 'UTC' })).rejects.toThrow('validity.timeZone is Asia/Seoul, not UTC');
    await expect(refused(undefined)).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
    expect(await launch.inspect()).toMatchObject({ validity: WEEK });
  });

  test('is none where the definition has none, and no coupon gets an end', async () => {
    const { launch, persistence } = await opened({});
    expect(await launch.inspect()).toMatchObject({ validity: null });
    const result = await launch.issue({ userId: 'kim' });
    expect((result as Told).issuance).not.toHaveProperty('expiresAt');
    expect((await persistence.rows(id))[0]).not.toHaveProperty('expiresAt');
  });

  test('does not change by an update, and an update cannot sell coupons past its end', async () => {
    const end = new Date('2099-01-01T00:00+09:00');
    const { launch } = await opened({ validity: { until: end } });
    const update = (change: object) => launch.update({ requestId: 'u', ...change });
    await expect(update({ validity: WEEK })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const before = await dump(redis);
    await expect(update({ closesAt: null })).rejects.toThrow('validity.until');
    await expect(update({ closesAt: new Date(end.getTime() + 1) })).rejects.toMatchObject({
      code: 'CAMPAIGN_CONFLICT',
    });
    expect(await dump(redis)).toEqual(before);
    expect(await update({ closesAt: new Date(end.getTime() - 1), requestId: 'v' })).toMatchObject({
      closesAt: new Date(end.getTime() - 1),
    });
    expect(await update({ closesAt: end, requestId: 'w' })).toMatchObject({ closesAt: end });
  });

  test('that is past is refused for a new campaign, and nothing is written', async () => {
    const launch = issuerWith(new ScriptedPersistence()).campaign(id);
    const opening = launch.open({ ...STOCK, validity: { until: '2020-01-01T00:00+09:00' } });
    await expect(opening).rejects.toThrow('validity.until 2019-12-31T15:00:00.000Z is past');
    expect(await redis.keys(`*${id}*`)).toEqual([]);
  });

  test.each(['look', 'change'] as const)('needs an adapter with %s, and asks neither server', async (method) => {
    const client = new CountingClient(redis);
    const persistence = Object.assign(new ScriptedPersistence(), { [method]: undefined });
    const launch = new CouponIssuer({ redis: client, persistence }).campaign(id);
    const definition = { ...STOCK, validity: WEEK };
    await expect(launch.open(definition)).rejects.toMatchObject({ code: 'MISCONFIGURED' });
    await expect(launch.rebuild(definition)).rejects.toMatchObject({ code: 'MISCONFIGURED' });
    await expect(new CouponIssuer({ redis: client }).campaign(id).open(definition)).rejects.toMatchObject({
      code: 'MISCONFIGURED',
    });
    expect(client.sent).toBe(0);
  });

  test('is not served by a process that cannot keep it, which takes no unit', async () => {
    const { launch } = await opened({ validity: WEEK });
    const bare = issuerWith(Object.assign(new ScriptedPersistence(), { change: undefined })).campaign(id);
    await expect(bare.issue({ userId: 'kim' })).rejects.toMatchObject({ code: 'MISCONFIGURED' });
    await redis.hset(`{coupon:${id}}:campaign`, 'validity', '::7:Mars/Olympus');
    const behind = issuerWith(new ScriptedPersistence()).campaign(id);
    await expect(behind.issue({ userId: 'kim' })).rejects.toMatchObject({ code: 'MISCONFIGURED' });
    expect(await redis.hget(`{coupon:${id}}:campaign`, 'reserved')).toBe('0');
    await redis.hset(`{coupon:${id}}:campaign`, 'validity', '::7:Asia/Seoul');
    expect(await launch.issue({ userId: 'kim' })).toMatchObject({ status: 'issued' });
  });

  test('is kept by a rebuild after Redis lost everything, and goes if the rebuild names none', async () => {
    const { launch } = await opened({ validity: WEEK });
    const first = (await launch.issue({ userId: 'kim', requestId: 'a' })) as Told;
    await redis.del(...(await redis.keys(`*${id}*`)));
    expect(await launch.rebuild({ ...STOCK, validity: WEEK })).toMatchObject({ campaign: { validity: WEEK } });
    const repeat = await launch.issue({ userId: 'kim', requestId: 'a' });
    expect(repeat).toMatchObject({ issuance: { expiresAt: first.issuance.expiresAt } });
    expect(await launch.rebuild(STOCK)).toMatchObject({ campaign: { validity: null } });
    const lee = (await launch.issue({ userId: 'lee' })) as Told;
    expect(lee.issuance).not.toHaveProperty('expiresAt');
  });
});

describe('every answer about a coupon tells the same end', () => {
  const validity = { forMs: HOUR };

  test('at its issue, at a repeat, in another process, in its status, its row and its delivery', async () => {
    const delivered: Issuance[] = [];
    const deliver = async (issuance: Issuance) => void delivered.push(issuance);
    const { launch, persistence } = await opened({ validity, perUser: 2 }, { deliver });
    const first = (await launch.issue({ userId: 'kim', requestId: 'a' })) as Told;
    expect(lastsOf(first.issuance)).toBe(HOUR);
    const other = issuerWith(persistence, { deliver }).campaign(id);
    const told = [
      (await launch.issue({ userId: 'kim', requestId: 'a' })) as Told,
      (await other.issue({ userId: 'kim', requestId: 'a' })) as Told,
    ].map(({ issuance }) => issuance);
    await launch.issue({ userId: 'kim', requestId: 'b' });
    const third = (await other.issue({ userId: 'kim', requestId: 'c' })) as Listed;
    const status = await other.userStatus({ userId: 'kim' });
    const rows = await persistence.rows(id);
    for (const one of [...told, third.issuances[0]!, status.issuances[0]!, rows[0]!, delivered[0]!]) {
      expect(one).toMatchObject({ id: first.issuance.id, expiresAt: first.issuance.expiresAt });
    }
  });

  test('while it is accepted, in quarantine, and once settle has saved it', async () => {
    const { launch, persistence } = await opened({ validity });
    persistence.next(fails(new Error('cut')), fails(new Error('cut')));
    const { issuance } = (await launch.issue({ userId: 'kim' })) as Told;
    expect(lastsOf(issuance)).toBe(HOUR);
    expect(await launch.userStatus({ userId: 'kim' })).toMatchObject({
      status: 'reserved',
      issuances: [{ code: null, expiresAt: issuance.expiresAt }],
    });
    persistence.next((all) => all.map(() => ({ verdict: 'refused', reason: 'barred' })));
    await expireLeases(redis, id);
    await launch.settle();
    const listed = [];
    for await (const one of launch.quarantine.list()) listed.push(one.issuance.expiresAt);
    expect(listed).toEqual([issuance.expiresAt]);
    await launch.quarantine.retry({ all: true });
    expect(await launch.settle()).toMatchObject({ settled: 1 });
    expect(await persistence.rows(id)).toMatchObject([{ id: issuance.id, expiresAt: issuance.expiresAt }]);
  });

  test('in write-behind, and after the waiting room', async () => {
    const behind = await opened({ validity, saveMode: 'write-behind' });
    const early = (await behind.launch.issue({ userId: 'kim' })) as Told;
    await behind.launch.settle();
    expect(await behind.persistence.rows(id)).toMatchObject([{ expiresAt: early.issuance.expiresAt }]);
    expect(lastsOf(early.issuance)).toBe(HOUR);

    id = `${id}-queued`;
    const { launch, persistence } = await opened({ validity, admission: 'queued' });
    expect(await launch.join({ userId: 'lee' })).toMatchObject({ status: 'waiting' });
    await launch.admit({ count: 1 });
    await until(async () => (await persistence.rows(id)).length === 1);
    const [row] = await persistence.rows(id);
    expect(lastsOf(row!)).toBe(HOUR);
    const joined = (await launch.join({ userId: 'lee' })) as Listed;
    const status = await launch.userStatus({ userId: 'lee' });
    for await (const change of launch.watch({ userId: 'lee', signal }))
      expect(change).toMatchObject({ issuance: { expiresAt: row!.expiresAt } });
    expect([joined.issuances[0]!.expiresAt, status.issuances[0]!.expiresAt]).toEqual([row!.expiresAt, row!.expiresAt]);
  });

  test('in the row that a repair saves again', async () => {
    const { launch, persistence, issuer } = await opened({ validity });
    const { issuance } = (await launch.issue({ userId: 'kim' })) as Told;
    await issuer.idle();
    const empty = new ScriptedPersistence();
    const repairing = issuerWith(empty).campaign(id);
    expect(await repairing.reconcile({ repair: 'safe' })).toMatchObject({
      findings: [{ kind: 'grant_without_row', repaired: true }],
    });
    await until(async () => (await empty.rows(id)).length === 1);
    expect(await empty.rows(id)).toEqual(await persistence.rows(id));
    expect((await empty.rows(id))[0]!.expiresAt).toEqual(issuance.expiresAt);
  });

  test('unless the row has another one, which counts', async () => {
    const { launch, persistence } = await opened({ validity });
    const expiresAt = new Date('2099-01-01T00:00:00Z');
    const issuedAt = '2026-05-01T10:00:00+09:00';
    const given = { campaignId: id, userId: 'kim', serial: 1, issuedAt, requestId: 'a', expiresAt };
    await persistence.memory.save([issuanceOf(given)]);
    expect(await launch.issue({ userId: 'kim', requestId: 'a' })).toMatchObject({ issuance: { expiresAt } });
  });
});

describe.each(['memory', 'PostgreSQL', 'MariaDB'])('in %s a coupon of a campaign with a validity', (database) => {
  let persistence: PersistenceAdapter;
  /** Resolves once the clock that decides is past an instant. */
  let past: (instant: Date) => Promise<void>;
  let now: () => Date;
  beforeEach(() => {
    now = () => new Date();
  });
  beforeAll(async () => {
    if (database === 'memory') {
      persistence = new MemoryPersistence({ now: () => now() });
      past = async (instant) => {
        now = () => instant;
      };
    } else if (database === 'MariaDB') {
      const made = new MysqlPersistence(mariadb.pool);
      await made.createTable();
      persistence = made;
      past = (instant) => until(async () => (await mariadbNow()) > instant.getTime());
    } else {
      const made = new PostgresPersistence(postgres.pool);
      await made.createTable();
      persistence = made;
      past = (instant) => until(async () => (await postgresNow()) > instant.getTime());
    }
  });
  const postgresNow = async () => {
    const { rows } = await postgres.pool.query('SELECT (extract(epoch FROM now()) * 1000)::float8 AS ms');
    return rows[0].ms as number;
  };
  const mariadbNow = async () => {
    const [rows] = await mariadb.pool.query('SELECT UNIX_TIMESTAMP(NOW(3)) * 1000 AS ms');
    return Number((rows as unknown as { ms: unknown }[])[0]!.ms);
  };

  async function issued(validity: Validity) {
    const launch = issuerWith(persistence).campaign(id);
    await launch.open({ ...STOCK, validity });
    const { issuance } = (await launch.issue({ userId: 'kim' })) as Told;
    const [row] = await persistence.list!(id, { afterSerial: 0, limit: 1 });
    expect(row).toMatchObject({ id: issuance.id, expiresAt: issuance.expiresAt });
    const redeem = () => launch.redeem({ userId: 'kim', code: issuance.code!, redemptionId: 'order-1' });
    return { launch, issuance, redeem };
  }

  test('is redeemed an hour before its end', async () => {
    const { issuance, redeem } = await issued({ forMs: HOUR });
    expect(await redeem()).toMatchObject({ status: 'redeemed', coupon: { expiresAt: issuance.expiresAt } });
  });

  test('is expired once the clock of the database has come to its end, until it is extended', async () => {
    const { launch, issuance, redeem } = await issued({ forMs: 1 });
    await past(issuance.expiresAt!);
    expect(await redeem()).toEqual({ status: 'expired', expiresAt: issuance.expiresAt });
    await launch.extend({ code: issuance.code!, expiresAt: '2099-01-01T00:00+09:00' });
    expect(await redeem()).toMatchObject({ status: 'redeemed' });
  });

  test('ends with its day in a zone that changes its clocks that week', async () => {
    const zone = { days: 7, timeZone: 'Europe/Berlin' };
    const issuedAt = '2026-03-27T12:00:00+01:00';
    await persistence.save([issuanceOf({ campaignId: id, userId: 'lee', serial: 1, issuedAt, requestId: 'a' })], {
      signal,
    });
    const launch = issuerWith(persistence).campaign(id);
    await launch.rebuild({ ...STOCK, validity: zone });
    const repeat = await launch.issue({ userId: 'lee', requestId: 'a' });
    expect(repeat).toMatchObject({ issuance: { expiresAt: new Date('2026-04-04T00:00:00+02:00') } });
  });

  test('is not issued after the instant at which all of them end, and an earlier one is expired', async () => {
    const validity = { until: '2026-01-01T00:00+09:00' };
    const issuedAt = '2025-12-01T00:00+09:00';
    const row = issuanceOf({ campaignId: id, userId: 'lee', serial: 1, issuedAt, code: id, expiresAt: validity.until });
    await persistence.save([row], { signal });
    const launch = issuerWith(persistence).campaign(id);
    await launch.rebuild({ ...STOCK, validity });
    expect(await launch.issue({ userId: 'kim' })).toEqual({ status: 'closed', closedAt: new Date(validity.until) });
    expect(await launch.redeem({ userId: 'lee', code: id, redemptionId: 'o' })).toEqual({
      status: 'expired',
      expiresAt: new Date(validity.until),
    });
  });
});
