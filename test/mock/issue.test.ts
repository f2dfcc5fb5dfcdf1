import { expect, test } from 'vitest';
import {
  CampaignConflictError,
  type CouponEvent,
  CouponIssuer,
  isValidCode,
  MemoryPersistence,
  NotDeliveredError,
  NotIssuedError,
  NotSavedError,
  UnknownCampaignError,
} from '../../src/index.js';
import { until } from '../support/checks/until.js';
import { issueNamed, userStatusNamed } from '../support/scenes/named.js';
import { expectStatus, mockIssuer, mockRedis } from './support.js';

const HOUR = 3_600_000;
const counted = (total: number) => ({ kind: 'counted', total }) as const;

test('a user is issued serial 1, and the row is in the database', async () => {
  const persistence = new MemoryPersistence();
  const issuer = mockIssuer({ persistence });
  await issuer.campaign('launch').open({ stock: counted(100) });
  const { issuance } = expectStatus(await issuer.campaign('launch').issue({ userId: 'kim' }), 'issued');
  expect(issuance).toMatchObject({
    campaignId: 'launch',
    userId: 'kim',
    grant: 1,
    serial: 1,
    code: null,
    state: 'issued',
  });
  expect(await persistence.list('launch', { afterSerial: 0, limit: 10 })).toEqual([issuance]);
  await issuer.idle();
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ available: 99, reserved: 0, issued: 1 });
});

test('the 101st user of 100 is told sold_out', async () => {
  const issuer = mockIssuer();
  await issuer.campaign('launch').open({ stock: counted(100) });
  const users = Array.from({ length: 101 }, (_, i) => `user-${i}`);
  const results = await Promise.all(users.map((userId) => issuer.campaign('launch').issue({ userId })));
  expect(results.filter(({ status }) => status === 'issued')).toHaveLength(100);
  expect(results[100]).toEqual({ status: 'sold_out' });
  await issuer.idle();
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ available: 0, reserved: 0, issued: 100 });
});

test('a user who asks again is told already_issued, with the coupon they hold', async () => {
  const issuer = mockIssuer();
  await issuer.campaign('launch').open({ stock: counted(5) });
  const first = expectStatus(await issuer.campaign('launch').issue({ userId: 'kim' }), 'issued');
  await issuer.idle();
  const again = expectStatus(await issuer.campaign('launch').issue({ userId: 'kim' }), 'already_issued');
  expect(again.issuances).toEqual([first.issuance]);
});

test('a request id that was answered issued is answered the same coupon on every repeat', async () => {
  const issuer = mockIssuer();
  await issuer.campaign('launch').open({ stock: counted(5) });
  const request = { campaignId: 'launch', userId: 'kim', requestId: 'click-1' };
  const first = await issueNamed(issuer, request);
  await issuer.idle();
  expect(await issueNamed(issuer, request)).toEqual({ ...first, replayed: true });
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ available: 4, issued: 1 });
});

test('with perUser 2 a user is issued two coupons and then told already_issued', async () => {
  const issuer = mockIssuer();
  await issuer.campaign('launch').open({ stock: counted(5), perUser: 2 });
  const ask = () => issuer.campaign('launch').issue({ userId: 'kim' });
  const results = [await ask(), await ask()].map((result) => expectStatus(result, 'issued').issuance);
  expect(results.map(({ grant, serial }) => ({ grant, serial }))).toEqual([
    { grant: 1, serial: 1 },
    { grant: 2, serial: 2 },
  ]);
  await issuer.idle();
  expect(expectStatus(await ask(), 'already_issued').issuances).toEqual(results);
});

test('before opensAt a user is told not_open and when it opens', async () => {
  const issuer = mockIssuer();
  const opensAt = new Date(Date.now() + HOUR);
  const { campaign } = await issuer.campaign('launch').open({ stock: counted(5), opensAt });
  expect(campaign.state).toBe('scheduled');
  expect(await issuer.campaign('launch').issue({ userId: 'kim' })).toEqual({ status: 'not_open', opensAt });
});

test('after closesAt a user is told closed and since when', async () => {
  const issuer = mockIssuer();
  // The clock of the mock goes forth and back within a second of the true time.
  const closesAt = new Date(Date.now() + 1_500);
  await issuer.campaign('launch').open({ stock: counted(5), closesAt });
  await until(() => Date.now() >= closesAt.getTime() + 1_000);
  expect(await issuer.campaign('launch').issue({ userId: 'kim' })).toEqual({ status: 'closed', closedAt: closesAt });
});

test('after closeForGood a newcomer is told closed, and a repeat still finds its coupon', async () => {
  const issuer = mockIssuer();
  await issuer.campaign('launch').open({ stock: counted(5) });
  const request = { campaignId: 'launch', userId: 'kim', requestId: 'click-1' };
  const first = await issueNamed(issuer, request);
  await issuer.idle();
  await issuer.campaign('launch').closeForGood();
  const { closedAt } = await issuer.campaign('launch').inspect();
  expect(await issuer.campaign('launch').issue({ userId: 'lee' })).toEqual({ status: 'closed', closedAt });
  expect(await issueNamed(issuer, request)).toEqual({ ...first, replayed: true });
});

test('while paused a user is told paused, and after resume they are issued one', async () => {
  const issuer = mockIssuer();
  await issuer.campaign('launch').open({ stock: counted(5) });
  await issuer.campaign('launch').pause();
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ state: 'paused' });
  expect(await issuer.campaign('launch').issue({ userId: 'kim' })).toEqual({ status: 'paused' });
  await issuer.campaign('launch').resume();
  expectStatus(await issuer.campaign('launch').issue({ userId: 'kim' }), 'issued');
});

test("whom the caller's own rule refuses is told not_eligible and why, and nothing is reserved", async () => {
  const issuer = mockIssuer({ eligible: ({ userId }) => userId === 'kim' || { reason: 'members only' } });
  await issuer.campaign('launch').open({ stock: counted(5) });
  expect(await issuer.campaign('launch').issue({ userId: 'lee' })).toEqual({
    status: 'not_eligible',
    reason: 'members only',
  });
  expectStatus(await issuer.campaign('launch').issue({ userId: 'kim' }), 'issued');
  await issuer.idle();
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ available: 4, reserved: 0, issued: 1 });
});

test('a campaign that nobody opened is unknown', async () => {
  await expect(mockIssuer().campaign('nothing').issue({ userId: 'kim' })).rejects.toThrow(UnknownCampaignError);
});

test('a campaign whose state is gone from Redis is not_ready for a new process, never full of stock', async () => {
  const redis = mockRedis();
  await mockIssuer({ redis })
    .campaign('launch')
    .open({ stock: counted(5) });
  await redis.del('{coupon:launch}:campaign');
  expect(await mockIssuer({ redis }).campaign('launch').issue({ userId: 'kim' })).toEqual({
    status: 'not_ready',
    reason: 'missing',
  });
});

test('opening a campaign again finds it, and another definition is refused without touching it', async () => {
  const redis = mockRedis();
  const issuer = mockIssuer({ redis });
  expect((await issuer.campaign('launch').open({ stock: counted(5) })).status).toBe('opened');
  expectStatus(await issuer.campaign('launch').issue({ userId: 'kim' }), 'issued');
  await issuer.idle();
  const again = await mockIssuer({ redis })
    .campaign('launch')
    .open({ stock: counted(5) });
  expect(again).toMatchObject({ status: 'exists', campaign: { total: 5, available: 4, issued: 1 } });
  await expect(issuer.campaign('launch').open({ stock: counted(6) })).rejects.toThrow(CampaignConflictError);
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ total: 5, available: 4, issued: 1 });
});

test('a campaign with rows in the database and no state in Redis is not opened', async () => {
  const persistence = new MemoryPersistence();
  const first = mockIssuer({ persistence });
  await first.campaign('launch').open({ stock: counted(5) });
  await first.campaign('launch').issue({ userId: 'kim' });
  const second = mockIssuer({ persistence });
  await expect(second.campaign('launch').open({ stock: counted(5) })).rejects.toThrow(CampaignConflictError);
  expect(
    (
      await second
        .campaign('launch')
        .issue({ userId: 'lee' })
        .catch((error) => error)
    ).status,
  ).not.toBe('issued');
});

test('each of the loaded codes is issued once, in order, and loading them again adds nothing', async () => {
  const issuer = mockIssuer();
  await issuer.campaign('launch').open({ stock: { kind: 'codes' } });
  const codes = ['AAA', 'BBB', 'ünï:cöde\n🎟']; // cspell:ignore cöde
  const load = () => issuer.campaign('launch').loadCodes(codes, { asTheyAre: true });
  const all = { read: 3, total: 3, resumedAt: 0 };
  expect(await load()).toEqual({ ...all, loaded: 3, duplicates: 0, firstDuplicates: [] });
  expect(await load()).toEqual({ ...all, loaded: 0, duplicates: 3, firstDuplicates: [1, 2, 3] });
  const issued: (string | null)[] = [];
  for (const userId of ['kim', 'lee', 'park']) {
    issued.push(expectStatus(await issuer.campaign('launch').issue({ userId }), 'issued').issuance.code);
  }
  expect(issued).toEqual(codes);
  expectStatus(await issuer.campaign('launch').issue({ userId: 'choi' }), 'sold_out');
});

test('an interrupted load goes on under its loadId', async () => {
  const issuer = mockIssuer();
  await issuer.campaign('launch').open({ stock: { kind: 'codes' } });
  const codes = Array.from({ length: 1200 }, (_, i) => `code-${i}`);
  const broken = function* () {
    yield* codes.slice(0, 700);
    throw new Error('the file ended');
  };
  await expect(issuer.campaign('launch').loadCodes(broken(), { loadId: 'file-1' })).rejects.toThrow('the file ended');
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ total: 500, available: 500 });
  expect(await issuer.campaign('launch').loadCodes(codes, { loadId: 'file-1' })).toEqual({
    read: 1200,
    loaded: 700,
    duplicates: 0,
    firstDuplicates: [],
    total: 1200,
    resumedAt: 500,
  });
});

test('a code in the pool can be replaced; one that is out, or known, cannot', async () => {
  const issuer = mockIssuer();
  await issuer.campaign('launch').open({ stock: { kind: 'codes' } });
  await issuer.campaign('launch').loadCodes(['AAA', 'BBB', 'CCC']);
  const replace = (code: string, replacement: string) => issuer.campaign('launch').replaceCode({ code, replacement });
  await issuer.campaign('launch').issue({ userId: 'kim' });
  expect(await replace('AAA', 'ZZZ')).toEqual({ status: 'not_in_pool' });
  expect(await replace('BBB', 'CCC')).toEqual({ status: 'duplicate' });
  expect(await replace('BBB', 'YYY')).toEqual({ status: 'replaced' });
  const { issuance } = expectStatus(await issuer.campaign('launch').issue({ userId: 'lee' }), 'issued');
  expect(issuance).toMatchObject({ serial: 2, code: 'YYY' });
});

test('unlimited stock gives everybody a generated code of their own', async () => {
  const issuer = mockIssuer();
  await issuer.campaign('launch').open({ stock: { kind: 'unlimited', generateCodes: true } });
  const users = Array.from({ length: 50 }, (_, i) => `user-${i}`);
  const results = await Promise.all(users.map((userId) => issuer.campaign('launch').issue({ userId })));
  const codes = results.map((result) => expectStatus(result, 'issued').issuance.code);
  expect(new Set(codes).size).toBe(50);
  for (const code of codes) expect(isValidCode(code)).toBe(true);
  await issuer.idle();
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ total: null, available: null, issued: 50 });
});

test('status says what a user holds', async () => {
  const issuer = mockIssuer();
  await issuer.campaign('launch').open({ stock: counted(5) });
  const query = { campaignId: 'launch', userId: 'kim' };
  expect(await userStatusNamed(issuer, query)).toEqual({ status: 'none', issuances: [] });
  const { issuance } = expectStatus(await issueNamed(issuer, query), 'issued');
  await issuer.idle();
  expect(await userStatusNamed(issuer, query)).toEqual({ status: 'issued', issuances: [issuance] });
});

test('a save whose outcome is unknown is accepted without its code, and settle issues the same unit', async () => {
  const redis = mockRedis();
  const memory = new MemoryPersistence();
  let down = true;
  const save: MemoryPersistence['save'] = async (issuances) => {
    if (down) throw new Error('the connection was lost');
    return memory.save(issuances);
  };
  const events: CouponEvent[] = [];
  const issuer = mockIssuer({
    redis,
    persistence: { save, list: memory.list.bind(memory), find: memory.find.bind(memory) },
    onEvent: (event) => events.push(event),
  });
  await issuer.campaign('launch').open({ stock: { kind: 'codes' } });
  await issuer.campaign('launch').loadCodes(['AAA']);
  const query = { campaignId: 'launch', userId: 'kim' };
  const { issuance } = expectStatus(await issueNamed(issuer, query), 'accepted');
  expect(issuance).toMatchObject({ serial: 1, code: null, state: 'reserved' });
  expect(await userStatusNamed(issuer, query)).toEqual({ status: 'reserved', issuances: [issuance] });
  expect(await issuer.campaign('launch').settle()).toEqual({ settled: 0, pending: 1, failed: 0 });

  down = false;
  await redis.zadd('{coupon:launch}:leases', 0, '1:kim');
  expect(await issuer.settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  expect(await userStatusNamed(issuer, query)).toEqual({
    status: 'issued',
    issuances: [{ ...issuance, code: 'AAA', state: 'issued' }],
  });
  expect(events.map(({ type }) => type)).toEqual(['fault', 'fault', 'accepted', 'exhausted', 'settled']);
});

test('a save that certainly failed is NotIssuedError, and the unit goes to the next user', async () => {
  const memory = new MemoryPersistence();
  let fail = true;
  const issuer = mockIssuer({
    persistence: {
      save: async (issuances) => {
        if (fail) throw new NotSavedError('the database refused');
        return memory.save(issuances);
      },
    },
  });
  await issuer.campaign('launch').open({ stock: counted(1) });
  await expect(issuer.campaign('launch').issue({ userId: 'kim' })).rejects.toThrow(NotIssuedError);
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ available: 1, reserved: 0, issued: 0 });
  fail = false;
  expect(expectStatus(await issuer.campaign('launch').issue({ userId: 'lee' }), 'issued').issuance.serial).toBe(1);
});

test('a delivered coupon is issued; one that certainly was not delivered goes back with its code', async () => {
  const delivered: string[] = [];
  const issuer = mockIssuer({
    deliver: ({ userId, code }) => {
      if (userId === 'lee') throw new NotDeliveredError('the partner said no');
      delivered.push(`${userId}:${code}`);
    },
  });
  await issuer.campaign('launch').open({ stock: { kind: 'codes' } });
  await issuer.campaign('launch').loadCodes(['AAA']);
  await expect(issuer.campaign('launch').issue({ userId: 'lee' })).rejects.toThrow(NotIssuedError);
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ available: 1, reserved: 0 });
  const { issuance } = expectStatus(await issuer.campaign('launch').issue({ userId: 'kim' }), 'issued');
  expect(issuance.code).toBe('AAA');
  expect(delivered).toEqual(['kim:AAA']);
});

test('a delivery whose outcome is unknown is accepted, and its unit stays reserved', async () => {
  const issuer = mockIssuer({
    deliver: () => {
      throw new Error('the partner did not answer');
    },
  });
  await issuer.campaign('launch').open({ stock: counted(5) });
  expectStatus(await issuer.campaign('launch').issue({ userId: 'kim' }), 'accepted');
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ available: 4, reserved: 1, issued: 0 });
});

test('a process without the hooks of the campaign does not touch it', async () => {
  const redis = mockRedis();
  await mockIssuer({ redis, deliver: () => {} })
    .campaign('launch')
    .open({ stock: counted(5) });
  const bare = new CouponIssuer({ redis });
  await expect(bare.campaign('launch').issue({ userId: 'kim' })).rejects.toMatchObject({ code: 'MISCONFIGURED' });
  await expect(bare.campaign('launch').settle()).rejects.toMatchObject({ code: 'MISCONFIGURED' });
});

test('without persistence issued means recorded in Redis', async () => {
  const issuer = new CouponIssuer({ redis: mockRedis() });
  await issuer.campaign('launch').open({ stock: counted(1) });
  expectStatus(await issuer.campaign('launch').issue({ userId: 'kim' }), 'issued');
  expectStatus(await issuer.campaign('launch').issue({ userId: 'lee' }), 'sold_out');
  expect(await issuer.campaign('launch').inspect()).toMatchObject({ available: 0, reserved: 0, issued: 1, needs: [] });
});

test('a closed issuer refuses new calls and leaves the client open', async () => {
  const redis = mockRedis();
  const issuer = mockIssuer({ redis });
  await issuer.campaign('launch').open({ stock: counted(1) });
  await issuer.close();
  await expect(issuer.campaign('launch').issue({ userId: 'kim' })).rejects.toMatchObject({ code: 'CLOSED' });
  expect(await redis.ping()).toBe('PONG');
});
