import { channel } from 'node:diagnostics_channel';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { CouponIssuer, MemoryPersistence, NotSavedError } from '../../src/index.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { type Desk, fetchDesk } from './support.js';

interface Row {
  readonly type: string;
  readonly campaignId: string | null;
  readonly reason: string | null;
  readonly count: number;
}
interface Live {
  readonly since: number;
  readonly counted: boolean;
  readonly answers: { issued: number; accepted: number; refused: Record<string, number> } | null;
  readonly events: readonly Row[];
}

let server: RedisServer;
let redis: Redis;
let issuer: CouponIssuer;
let desk: Desk;
let isFailing: Error | null;
let round = 0;

class Failing extends MemoryPersistence {
  override async save(...args: Parameters<MemoryPersistence['save']>) {
    if (isFailing) throw isFailing;
    return super.save(...args);
  }
}

const made = (prefix = `live-${round}`) => new CouponIssuer({ redis, persistence: new Failing(), prefix });

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  isFailing = null;
  round++;
  issuer = made();
  desk = fetchDesk(issuer);
  await issuer.campaign('night').open({ stock: { kind: 'counted', total: 3 } });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await issuer.close();
});

const look = async (body: object = { campaignId: 'night' }, at = desk) =>
  (await (await at.ask('/api/live', { person: 'lee', body })).json()) as Live;
const rowsOf = ({ events }: Live) => events.map(({ type, reason, count }) => [type, reason, count]);
const ask = (...users: string[]) => Promise.all(users.map((userId) => issuer.campaign('night').issue({ userId })));

test('the answers of this process are counted by their reason, each once', async () => {
  expect(await look()).toMatchObject({ counted: true, answers: null, events: [] });
  await ask('ann', 'ben');
  await ask('ann', 'cleo', 'dan', 'eve');
  // A repeat under way shares the attempt, and has an answer of its own.
  const again = { userId: 'gus', requestId: 'one' };
  await Promise.all([again, again, again].map((call) => issuer.campaign('night').issue(call)));
  await issuer.campaign('night').pause();
  await ask('finn');
  const seen = await look();
  expect(seen.answers).toEqual({ issued: 3, accepted: 0, refused: { already_issued: 1, sold_out: 5, paused: 1 } });
  expect(seen.events.every(({ campaignId }) => campaignId === 'night')).toBe(true);
  expect(rowsOf(seen)).toContainEqual(['issued', null, 3]);
  expect(rowsOf(seen)).toContainEqual(['refused', 'sold_out', 5]);
  expect((await look({ campaignId: 'other' })).answers).toBeNull();
});

test('another issuer of the process adds nothing, even under the same prefix', async () => {
  const other = made();
  const itsDesk = fetchDesk(other);
  await other.campaign('night').issue({ userId: 'ann' });
  await other.campaign('night').issue({ userId: 'ann' });
  expect(await look()).toMatchObject({ answers: null, events: [] });
  const refused = { already_issued: 1 };
  expect((await look({ campaignId: 'night' }, itsDesk)).answers).toEqual({ issued: 1, accepted: 0, refused });
  await other.close();
});

test('a fault is a row with its step and its kind, and without a word of its text', async () => {
  isFailing = new NotSavedError('the row of ann with SECRET-7788 was refused', { wholeBatch: true });
  await issuer
    .campaign('night')
    .issue({ userId: 'ann' })
    .then(null, () => {});
  await desk.ask('/api/pause', { body: { campaignId: 'night' } });
  issuer.audit({ campaignId: 'night', action: 'restock', by: 'kim', done: false });
  const seen = await look();
  expect(rowsOf(seen)).toContainEqual(['fault', 'save NotSavedError', 1]);
  expect(rowsOf(seen)).toContainEqual(['audit', 'pause', 1]);
  expect(rowsOf(seen)).toContainEqual(['audit', 'restock failed', 1]);
  expect(JSON.stringify([seen, await look({})])).not.toMatch(/ann|SECRET|kim/);
});

test('a crowd of buyers pushes no fault out, and rows are bounded, the newest first', async () => {
  let now = 1_000_000;
  vi.spyOn(Date, 'now').mockImplementation(() => now);
  const told = channel('coupon-issuer:event');
  const tell = (type: string, campaignId: string | null, count = 1) =>
    told.publish({ issuerId: issuer.id, type, campaignId, count });
  tell('fault', null);
  for (let i = 0; i < 1_000; i++) {
    now += 9;
    tell('issued', 'night');
  }
  expect(rowsOf(await look())).toEqual([
    ['issued', null, 1_000],
    ['fault', null, 1],
  ]);
  now += 10_000;
  tell('issued', 'night');
  expect(rowsOf(await look()).map(([type, , count]) => [type, count])).toEqual([
    ['issued', 1],
    ['issued', 1_000],
    ['fault', 1],
  ]);
  for (let i = 0; i < 500; i++) {
    now += 10_000;
    tell('settled', 'night');
    tell('settled', `other-${i}`);
  }
  const [one, all] = [await look(), await look({})];
  expect([one.events.length, all.events.length]).toEqual([31, 200]);
  expect(all.events[0]).toMatchObject({ at: now, from: now });
  expect(one.answers).toMatchObject({ issued: 1_001 });
});

test('a thousand campaigns are counted, and a later one says that it is not', async () => {
  const told = channel('coupon-issuer:event');
  const tell = (campaignId: string) =>
    told.publish({ issuerId: issuer.id, type: 'refused', reason: 'sold_out', campaignId, count: 2 });
  for (let i = 0; i < 1_001; i++) tell(`sale-${i}`);
  expect(await look({ campaignId: 'sale-999' })).toMatchObject({
    counted: true,
    answers: { refused: { sold_out: 2 } },
  });
  expect(await look({ campaignId: 'sale-1000' })).toMatchObject({ counted: false, answers: null });
});

test('nothing listens without a dashboard, nor after one that nobody holds', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  desk = null as never;
  for (let i = 0; i < 50 && channel('coupon-issuer:event').hasSubscribers; i++) {
    await turn();
    collect();
    issuer.audit({ campaignId: 'night', action: 'look', by: 'kim', done: true });
  }
  expect(channel('coupon-issuer:event').hasSubscribers).toBe(false);
});
