import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type CouponEvent,
  CouponIssuer,
  type CouponIssuerOptions,
  httpStatus,
  type Issuance,
  NotSavedError,
} from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { answers, fails, recording, ScriptedPersistence, withEach } from '../support/scenes/campaigns.js';
import { quarantinedOf } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const REFUSED = answers({ verdict: 'refused', reason: 'unknown_customer' });
const REQUEST = { userId: 'ann', requestId: 'order-1' };
let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let events: CouponEvent[];
let campaignId = '';
let campaigns = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  persistence = new ScriptedPersistence();
  events = [];
  campaignId = `refused-${++campaigns}`;
});

function issuerWith(options: Partial<CouponIssuerOptions> = {}): CouponIssuer {
  return new CouponIssuer({ redis, persistence, onEvent: (event) => events.push(event), ...options });
}

async function opened(options: Partial<CouponIssuerOptions> = {}, definition: object = {}): Promise<CouponIssuer> {
  const issuer = issuerWith(options);
  await issuer.campaign(campaignId).open({ stock: { kind: 'codes' }, ...definition });
  await issuer.campaign(campaignId).loadCodes(['FIRST-CODE', 'SECOND-CODE']);
  return issuer;
}

const audit = async (settled = true) =>
  checkInvariants({ redis, campaignId, rows: await persistence.rows(campaignId), settled });
const types = () => events.map(({ type }) => type);
const quarantined = async (issuer: CouponIssuer) =>
  (await quarantinedOf(issuer.campaign(campaignId))).map(({ issuance, tries }) => [
    issuance.userId,
    issuance.serial,
    tries,
  ]);

test('a user whose row the database refuses is told not_eligible, and the unit is the next one', async () => {
  const issuer = await opened();
  persistence.next(REFUSED);
  const told = await issuer.campaign(campaignId).issue({ ...REQUEST });
  expect(told).toEqual({ status: 'not_eligible', reason: 'unknown_customer' });
  expect(httpStatus(told)).toBe(403);
  expect(types()).toEqual(['released', 'refused']);
  expect(events[1]).toMatchObject({ campaignId, status: 'not_eligible', count: 1 });
  expect(await issuer.campaign(campaignId).userStatus({ userId: 'ann' })).toMatchObject({ status: 'none' });
  expect(await issuer.campaign(campaignId).issue({ userId: 'bob' })).toMatchObject({
    status: 'issued',
    issuance: { serial: 1, code: 'FIRST-CODE' },
  });
  await issuer.idle();
  await audit();
});

test('a reason that carries the code is told without it, because the code goes to the next user', async () => {
  const issuer = await opened();
  persistence.next(answers({ verdict: 'refused', reason: 'no customer for "first-code"' }));
  const told = await issuer.campaign(campaignId).issue({ ...REQUEST });
  expect(told).toEqual({ status: 'not_eligible', reason: 'no customer for "[redacted]"' });
  await issuer.idle();
  await audit();
});

test('a refused row takes nobody of its batch along, and the same request may succeed later', async () => {
  const issuer = await opened();
  persistence.next((issuances, memory) =>
    Promise.all(
      issuances.map(async (one) =>
        one.userId === 'ann' ? { verdict: 'refused' as const, reason: 'no' } : (await memory.save([one]))[0]!,
      ),
    ),
  );
  const told = await Promise.all(
    ['ann', 'bob'].map((userId) => issuer.campaign(campaignId).issue({ userId, requestId: 'r' })),
  );
  expect(told.map(({ status }) => status)).toEqual(['not_eligible', 'issued']);
  expect(await issuer.campaign(campaignId).issue({ userId: 'ann', requestId: 'r' })).toMatchObject({
    status: 'issued',
  });
  await issuer.idle();
  await audit();
});

test('a row that is refused after an attempt whose outcome is unknown is accepted, and nothing is given back', async () => {
  const issuer = await opened();
  persistence.next(fails(new Error('the connection is gone')), REFUSED);
  expect(await issuer.campaign(campaignId).issue({ ...REQUEST })).toMatchObject({ status: 'accepted' });
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ available: 1, reserved: 1 });
  expect(await quarantined(issuer)).toEqual([]);
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  await audit();
});

test('a repeat that took the reservation over cannot give it back: accepted, and quarantine at once', async () => {
  const issuer = await opened();
  const unknown = fails(new Error('the connection is gone'));
  persistence.next(unknown, unknown, REFUSED);
  expect(await issuer.campaign(campaignId).issue({ ...REQUEST })).toMatchObject({ status: 'accepted' });
  const other = issuerWith();
  expect(await other.campaign(campaignId).issue({ ...REQUEST })).toMatchObject({ status: 'accepted' });
  await other.idle();
  expect(await quarantined(other)).toEqual([['ann', 1, 1]]);
  expect(await issuer.campaign(campaignId).userStatus({ userId: 'ann' })).toMatchObject({ status: 'reserved' });
  expect(await issuer.campaign(campaignId).quarantine.retry({ all: true })).toEqual({ retried: 1 });
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  await audit();
});

test('a caller who was told accepted meanwhile keeps that answer, and the unit goes into quarantine', async () => {
  const issuer = await opened();
  let refuse = () => {};
  persistence.next(async () => {
    await new Promise<void>((resolve) => {
      refuse = resolve;
    });
    return [{ verdict: 'refused', reason: 'unknown_customer' }];
  });
  expect(await issuer.campaign(campaignId).issue({ ...REQUEST, timeoutMs: 500 })).toMatchObject({ status: 'accepted' });
  refuse();
  await issuer.idle();
  expect(await quarantined(issuer)).toEqual([['ann', 1, 1]]);
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ available: 1, reserved: 1 });
});

test('what was delivered goes into quarantine at once and is not delivered again; a fault tells the operator why', async () => {
  const delivered: string[] = [];
  const recalled: string[] = [];
  const issuer = await opened({
    deliver: ({ userId }) => void delivered.push(userId),
    recall: ({ userId }) => void recalled.push(userId),
  });
  persistence.next(REFUSED);
  expect(await issuer.campaign(campaignId).issue({ ...REQUEST })).toMatchObject({
    status: 'accepted',
    issuance: { code: null },
  });
  await issuer.idle();
  expect(types()).toEqual(['fault', 'accepted', 'quarantined']);
  expect(events[0]).toMatchObject({ during: 'save', campaignId, issuance: { userId: 'ann', serial: 1 } });
  expect((events[0] as { error: Error }).error.message).toBe('the adapter refused the row for good (unknown_customer)');
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 0, pending: 1, failed: 0 });
  expect(delivered).toEqual(['ann']);
  expect(await issuer.campaign(campaignId).quarantine.withdraw({ all: true })).toEqual({ withdrawn: 1 });
  expect(recalled).toEqual(['ann']);
  await audit();
});

test('a permanent NotSavedError is the same without a word for clients: an error, or quarantine after a delivery', async () => {
  const never = fails(new NotSavedError('never', { permanent: true }));
  const issuer = await opened();
  persistence.next(never);
  await expect(issuer.campaign(campaignId).issue({ ...REQUEST })).rejects.toMatchObject({ code: 'NOT_ISSUED' });
  campaignId = `refused-${++campaigns}`;
  const delivering = await opened({ deliver: () => {} });
  persistence.next(never);
  expect(await delivering.campaign(campaignId).issue({ ...REQUEST })).toMatchObject({ status: 'accepted' });
  await delivering.idle();
  expect(await quarantined(delivering)).toEqual([['ann', 1, 1]]);
});

test('write-behind: what the database refuses goes into quarantine at the first try, and nobody else with it', async () => {
  const issuer = await opened({}, { saveMode: 'write-behind' });
  for (const userId of ['ann', 'bob']) {
    expect(await issuer.campaign(campaignId).issue({ userId })).toMatchObject({ status: 'accepted' });
  }
  persistence.next(async (issuances, memory) => {
    const [verdict] = await memory.save(issuances.slice(1));
    return [{ verdict: 'refused', reason: 'unknown_customer' }, verdict!];
  });
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 1 });
  expect(await quarantined(issuer)).toEqual([['ann', 1, 1]]);
  expect(await issuer.campaign(campaignId).userStatus({ userId: 'ann' })).toMatchObject({ status: 'reserved' });
});

test('a user who was let through from the waiting room and is refused goes into quarantine, and stays so', async () => {
  const issuer = await opened({}, { admission: 'queued' });
  await issuer.campaign(campaignId).join({ userId: 'ann' });
  persistence.next(REFUSED);
  expect(await issuer.campaign(campaignId).admit({ count: 5 })).toMatchObject({ admitted: 1, issued: 0 });
  expect(await quarantined(issuer)).toEqual([['ann', 1, 1]]);
  expect(await issuer.campaign(campaignId).userStatus({ userId: 'ann' })).toMatchObject({ status: 'reserved' });
});

test('not_eligible is told only after the word of Redis: a release whose reply is lost is a RedisError', async () => {
  let lose = false;
  const client = withEach(redis, async (sha1, send) => {
    const reply = await send();
    if (lose && sha1 === shaOf(scripts.release)) throw new Error('Connection is closed.');
    return reply;
  });
  const issuer = await opened({ redis: client });
  lose = true;
  persistence.next(REFUSED);
  await expect(issuer.campaign(campaignId).issue({ ...REQUEST })).rejects.toMatchObject({
    code: 'REDIS',
    outcome: 'unknown',
  });
  lose = false;
  expect(await issuer.campaign(campaignId).issue({ ...REQUEST })).toMatchObject({
    status: 'issued',
    issuance: { serial: 1 },
  });
  await issuer.idle();
  await audit();
});

test('a release that runs a second time changes nothing', async () => {
  const client = recording(redis);
  const issuer = await opened({ redis: client });
  persistence.next(REFUSED);
  expect(await issuer.campaign(campaignId).issue({ ...REQUEST })).toMatchObject({ status: 'not_eligible' });
  const release = client.calls.filter(({ sha1 }) => sha1 === shaOf(scripts.release)).at(-1)!;
  expect(await release.replay()).toEqual(['ok', expect.any(String), 'gone', '']);
  expect(await issuer.campaign(campaignId).inspect()).toMatchObject({ available: 2, reserved: 0 });
});

test.each<[string, unknown]>([
  ['without a reason', undefined],
  ['with an empty reason', ''],
  ['with a reason of 129 bytes', `${'é'.repeat(64)}x`],
  ['with a reason of two lines', 'unknown\ncustomer'],
  ['with a reason that is no text', { word: 'unknown' }],
  ['with half a character as a reason', '\ud800'],
])('a refusal %s is none: accepted, and settle asks again', async (_, reason) => {
  const issuer = await opened();
  const vague = answers({ verdict: 'refused', reason: reason as string });
  persistence.next(vague, vague);
  expect(await issuer.campaign(campaignId).issue({ ...REQUEST })).toMatchObject({ status: 'accepted' });
  expect(types()).toEqual(['fault', 'fault', 'accepted']);
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  const rows: readonly Issuance[] = await persistence.rows(campaignId);
  expect(rows).toHaveLength(1);
});
