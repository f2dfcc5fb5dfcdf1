import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Campaign, CouponIssuer, type IssueResult, MemoryPersistence } from '../../src/index.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { Project } from './snippets.js';

interface DeskGrant {
  userId: string;
  ticket: string;
  outOf?: Campaign;
}

interface Files {
  prizes: {
    prizeCodes(prizes: Record<string, number>): string[];
    openPrizes(launch: Campaign, codes: readonly string[]): Promise<{ loaded: number }>;
    prizeOf(code: string): string;
  };
  reserve: {
    issueTo(user: { id: string; isVip: boolean }, reserve: Campaign, launch: Campaign): Promise<IssueResult>;
    releaseReserve(reserve: Campaign, launch: Campaign): Promise<boolean>;
  };
  desk: {
    openDesk(desk: Campaign): Promise<void>;
    grantFromDesk(desk: Campaign, given: DeskGrant): Promise<IssueResult>;
    giveUpTicket(desk: Campaign, given: DeskGrant): Promise<boolean>;
  };
  unpaid: { giveBack(launch: Campaign, unpaid: { id: string; userId: string; code: string }[]): Promise<void> };
}

let project: Project;
let dir: string;
let server: RedisServer;
let issuer: CouponIssuer;
beforeAll(async () => {
  project = new Project();
  dir = project.writeFiles('docs/recipes.md');
  server = await RedisServer.start();
});
beforeEach(() => {
  issuer = new CouponIssuer({ redis: server.client(), persistence: new MemoryPersistence() });
});
afterEach(() => issuer.close());
afterAll(async () => {
  project.remove();
  await server.stop();
});

function printed<Name extends keyof Files>(name: Name): Promise<Files[Name]> {
  return import(/* @vite-ignore */ pathToFileURL(join(dir, `${name}.js`)).href);
}

let campaigns = 0;
const newCampaign = () => issuer.campaign(`campaign-${++campaigns}`);
const users = (count: number) => Array.from({ length: count }, (_, n) => `user-${n}`);

test('of several prizes each user gets one, each prize as often as it is there', async () => {
  const { prizeCodes, openPrizes, prizeOf } = await printed('prizes');
  const launch = newCampaign();
  const codes = prizeCodes({ GOLD: 10, SILVER: 90 });
  expect(await openPrizes(launch, codes)).toMatchObject({ loaded: 100 });
  expect(await openPrizes(launch, codes)).toMatchObject({ loaded: 0 });
  const asked = [...users(110), ...users(110)];
  const results = await Promise.all(asked.map((userId) => launch.issue({ userId })));
  const prizes = results.flatMap((one) => (one.status === 'issued' ? [prizeOf(one.issuance.code!)] : []));
  expect(prizes.filter((prize) => prize === 'GOLD')).toHaveLength(10);
  expect(prizes.filter((prize) => prize === 'SILVER')).toHaveLength(90);
  // One in 17 million million orders of the list has all the gold at its beginning.
  expect(codes.slice(0, 10).every((code) => prizeOf(code) === 'GOLD')).toBe(false);
});

test('a reserve is for VIPs until it closes, its rest is for all, and no VIP gets two', async () => {
  const { issueTo, releaseReserve } = await printed('reserve');
  const [reserve, launch] = [newCampaign(), newCampaign()];
  await reserve.open({ stock: { kind: 'counted', total: 5 } });
  await launch.open({ stock: { kind: 'counted', total: 3 } });
  const vip = (id: string) => issueTo({ id, isVip: true }, reserve, launch);
  const other = (id: string) => issueTo({ id, isVip: false }, reserve, launch);
  const campaignOf = async (asked: Promise<IssueResult>) => {
    const result = await asked;
    return result.status === 'issued' ? result.issuance.campaignId : result.status;
  };
  expect(await campaignOf(vip('vip-1'))).toBe(reserve.id);
  expect(await Promise.all(['a', 'b', 'c', 'd'].map((id) => campaignOf(other(id))))).toEqual([
    ...Array.from({ length: 3 }, () => launch.id),
    'sold_out',
  ]);
  await issuer.idle();
  expect(await releaseReserve(reserve, launch)).toBe(true);
  expect(await releaseReserve(reserve, launch)).toBe(true);
  expect(await launch.inspect()).toMatchObject({ total: 7, available: 4 });
  expect((await vip('vip-1')).status).toBe('already_issued');
  const rest = await Promise.all([...['d', 'e', 'f'].map(other), ...['vip-2', 'vip-3'].map(vip)].map(campaignOf));
  expect(rest.sort()).toEqual([...Array.from({ length: 4 }, () => launch.id), 'sold_out'].sort());

  const [held] = await issuer.coupons({ userId: 'vip-1', campaignIds: [reserve.id] });
  await reserve.revoke({ userId: 'vip-1', id: held!.id, revocationId: 'r', unit: 'returned' });
  await expect(releaseReserve(reserve, launch)).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
  await reserve.purge();
  expect((await vip('vip-1')).status, 'the reserve remembers no holder any more').toBe('sold_out');
});

test('a reserve whose reservations are not finished is not released yet', async () => {
  const { releaseReserve } = await printed('reserve');
  const [reserve, launch] = [newCampaign(), newCampaign()];
  await reserve.open({ stock: { kind: 'counted', total: 5 }, saveMode: 'write-behind' });
  await launch.open({ stock: { kind: 'counted', total: 1 } });
  expect((await reserve.issue({ userId: 'vip' })).status).toBe('accepted');
  expect(await releaseReserve(reserve, launch)).toBe(false);
  expect((await launch.inspect()).total).toBe(1);
  await reserve.settle();
  expect(await releaseReserve(reserve, launch)).toBe(true);
  expect((await launch.inspect()).total).toBe(5);
});

test('the desk grants once per ticket, on top of the sale or out of it, and the checkout finds the coupon', async () => {
  const { openDesk, grantFromDesk } = await printed('desk');
  const [desk, launch] = [newCampaign(), newCampaign()];
  await openDesk(desk);
  await launch.open({ stock: { kind: 'counted', total: 2 }, opensAt: '2099-01-01T00:00:00Z' });
  const first = await grantFromDesk(desk, { userId: 'kim', ticket: 'case-1' });
  expect(await grantFromDesk(desk, { userId: 'kim', ticket: 'case-1' })).toEqual({ ...first, replayed: true });
  expect((await launch.inspect()).available).toBe(2);
  const outOf = { userId: 'kim', ticket: 'case-2', outOf: launch };
  const [second] = await Promise.all([grantFromDesk(desk, outOf), grantFromDesk(desk, outOf)]);
  expect((await launch.inspect()).available).toBe(1);
  await grantFromDesk(desk, { userId: 'lee', ticket: 'case-3', outOf: launch });
  const refused = grantFromDesk(desk, { userId: 'cho', ticket: 'case-4', outOf: launch });
  await expect(refused).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
  expect((await desk.userStatus({ userId: 'cho' })).status).toBe('none');

  await issuer.idle();
  const held = await issuer.coupons({ userId: 'kim', campaignIds: [desk.id] });
  const codes = [first, second].map((one) => (one.status === 'issued' ? one.issuance.code : null));
  expect(held.map(({ code }) => code).sort()).toEqual(codes.sort());
  expect(await issuer.findByCode({ code: codes[0]! })).toMatchObject([{ campaignId: desk.id, userId: 'kim' }]);
});

test('a ticket that the desk refuses keeps its unit until it is given up, and the sum of desk and sale stays', async () => {
  const { openDesk, grantFromDesk, giveUpTicket } = await printed('desk');
  const [desk, launch] = [newCampaign(), newCampaign()];
  await openDesk(desk);
  await launch.open({ stock: { kind: 'counted', total: 20 } });
  const ticket = (n: number, userId = 'kim') => ({ userId, ticket: `case-${n}`, outOf: launch });
  const grant = async (n: number) => (await grantFromDesk(desk, ticket(n))).status;
  const count = async () => [(await desk.inspect()).issued, (await launch.inspect()).total];
  const told: string[] = [];
  for (let n = 1; n <= 12; n++) told.push(await grant(n));
  expect(told).toEqual(Array.from({ length: 12 }, (_, i) => (i < 10 ? 'issued' : 'already_issued')));
  expect(await count()).toEqual([10, 8]);
  for (let run = 0; run < 2; run++) expect(await giveUpTicket(desk, ticket(12))).toBe(true);
  expect(await giveUpTicket(desk, ticket(1)), 'its coupon stays').toBe(false);
  expect(await count()).toEqual([10, 9]);
  await desk.update({ perUser: 20, requestId: 'more' });
  expect(await grant(11)).toBe('issued');
  expect(await count()).toEqual([11, 9]);
});

test('a ticket that is repeated after a revocation takes the unit of no other ticket', async () => {
  const { openDesk, grantFromDesk } = await printed('desk');
  const [desk, launch] = [newCampaign(), newCampaign()];
  await openDesk(desk);
  await launch.open({ stock: { kind: 'counted', total: 20 } });
  const grant = (userId: string, ticket: string) => grantFromDesk(desk, { userId, ticket, outOf: launch });
  for (let n = 1; n <= 10; n++) await grant('kim', `case-${n}`);
  expect((await grant('kim', 'over')).status).toBe('already_issued');
  // A process that died between the two calls for lee, once for a sale that is closed by the time of the repeat.
  await launch.restock({ add: -1, requestId: 'desk case-lee' });
  const [held] = await issuer.coupons({ userId: 'kim', campaignIds: [desk.id] });
  await desk.revoke({ userId: 'kim', code: held!.code!, revocationId: 'r', again: true });
  expect((await grant('kim', 'over')).status).toBe('issued');
  await launch.closeForGood();
  expect((await grant('lee', 'case-lee')).status).toBe('issued');
  await expect(grant('cho', 'case-cho')).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
});

test('a ticket that waits at the desk is granted by a repeat', async () => {
  const { openDesk, grantFromDesk } = await printed('desk');
  const [desk, launch] = [newCampaign(), newCampaign()];
  await openDesk(desk);
  await launch.open({ stock: { kind: 'counted', total: 20 } });
  const given = { userId: 'kim', ticket: 'case-1', outOf: launch };
  await desk.pause();
  expect((await grantFromDesk(desk, given)).status).toBe('paused');
  await desk.resume();
  expect((await grantFromDesk(desk, given)).status).toBe('issued');
  expect([(await desk.inspect()).issued, (await launch.inspect()).total]).toEqual([1, 19]);
});

test('a user in line that the desk grants a coupon and that leaves the line gets no second one in the sale', async () => {
  const { openDesk, grantFromDesk } = await printed('desk');
  const persistence = new MemoryPersistence();
  const [deskId, saleId] = [`campaign-${++campaigns}`, `campaign-${++campaigns}`];
  const asking: CouponIssuer = new CouponIssuer({
    redis: server.client(),
    persistence,
    eligible: async ({ campaignId, userId }) =>
      campaignId === deskId ||
      (await asking.campaign(deskId).userStatus({ userId })).status === 'none' || { reason: 'has one' },
  });
  const [desk, sale] = [asking.campaign(deskId), asking.campaign(saleId)];
  await openDesk(desk);
  await sale.open({ stock: { kind: 'counted', total: 3 }, admission: 'queued', pace: { admitPerSecond: 0 } });
  for (const userId of ['a', 'kim', 'c']) await sale.join({ userId });
  expect((await grantFromDesk(desk, { userId: 'kim', ticket: 'case-1', outOf: sale })).status).toBe('issued');
  expect((await sale.leave({ userId: 'kim' })).status).toBe('left');
  expect((await sale.join({ userId: 'kim' })).status).toBe('not_eligible');
  expect(await sale.admit({ count: 10 })).toMatchObject({ admitted: 2 });
  await asking.idle();
  expect((await asking.coupons({ userId: 'kim' })).map(({ campaignId }) => campaignId)).toEqual([deskId]);
  await asking.close();
});

test('the coupon of an unpaid order comes back, its late payment cannot use it, and another order can', async () => {
  const { giveBack } = await printed('unpaid');
  const launch = newCampaign();
  await launch.open({ stock: { kind: 'unlimited', generateCodes: true } });
  const result = await launch.issue({ userId: 'kim' });
  if (result.status !== 'issued') throw new Error(result.status);
  const coupon = { userId: 'kim', code: result.issuance.code! };
  const redeem = async (redemptionId: string) => (await launch.redeem({ ...coupon, redemptionId })).status;
  expect(await redeem('order-1')).toBe('redeemed');
  await giveBack(launch, [{ id: 'order-1', ...coupon }]);
  await giveBack(launch, [{ id: 'order-1', ...coupon }]);
  expect(await redeem('order-1')).toBe('redemption_undone');
  expect(await redeem('order-2')).toBe('redeemed');
  await giveBack(launch, [{ id: 'order-1', ...coupon }]);
  expect(await redeem('order-3')).toBe('already_redeemed');
});
