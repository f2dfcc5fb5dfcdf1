import { expect, test } from 'vitest';
import { type CouponEvent, drawKey, MemoryPersistence } from '../../src/index.js';
import { joinNamed, leaveNamed, openNamed, userStatusNamed, watchNamed } from '../support/scenes/named.js';
import { mockIssuer, mockRedis } from './support.js';

const queued = (total: number) => ({ id: 'launch', stock: { kind: 'counted', total }, admission: 'queued' }) as const;
const ask = (userId: string) => ({ campaignId: 'launch', userId });

test('a line is joined, left, let through in its order, and ends with the stock', async () => {
  const persistence = new MemoryPersistence();
  const issuer = mockIssuer({ persistence });
  await openNamed(issuer, { ...queued(2), overbook: 2, presenceMs: 60_000 });
  const joined = await Promise.all(['ann', 'bob', 'cat', 'dan', 'eve'].map((name) => joinNamed(issuer, ask(name))));
  expect(joined.map((place) => ('position' in place ? place.position : place.status))).toEqual([
    1,
    2,
    3,
    4,
    'sold_out',
  ]);
  expect(await joinNamed(issuer, ask('cat'))).toMatchObject({ status: 'waiting', ticket: 3, position: 3 });
  expect(await leaveNamed(issuer, ask('ann'))).toEqual({ status: 'left' });
  expect(await leaveNamed(issuer, ask('ann'))).toEqual({ status: 'left' });
  expect(await userStatusNamed(issuer, ask('bob'))).toMatchObject({ status: 'waiting', position: 1 });
  expect(await issuer.campaign('launch').admit({ count: 10 })).toMatchObject({ admitted: 2, issued: 2 });
  await issuer.idle();
  await issuer.campaign('launch').admit({ count: 10 });
  const rows = await persistence.list('launch', { afterSerial: 0, limit: 10 });
  expect(rows.map(({ userId, serial }) => `${serial} ${userId}`)).toEqual(['1 bob', '2 cat']);
  expect(await issuer.campaign('launch').inspect()).toMatchObject({
    waiting: 0,
    available: 0,
    reserved: 0,
    issued: 2,
    ready: true,
  });
  expect(await leaveNamed(issuer, ask('dan'))).toEqual({ status: 'sold_out' });
});

test('a worker lets people through, and watching tells of it to the end', async () => {
  const issuer = mockIssuer();
  await openNamed(issuer, queued(10));
  await joinNamed(issuer, ask('ann'));
  await issuer.campaign(queued(10).id).setPace({ admitPerSecond: 1_000 });
  const worker = issuer.startWorker({ intervalMs: 5 });
  const statuses: string[] = [];
  for await (const { status } of watchNamed(issuer, ask('ann'))) statuses.push(status);
  expect(statuses.at(-1)).toBe('issued');
  await worker.stop();
  await issuer.close();
});

test('the draw is in the order of the seed', async () => {
  const persistence = new MemoryPersistence();
  const events: CouponEvent[] = [];
  const redis = mockRedis();
  const issuer = mockIssuer({ persistence, redis, onEvent: (event) => events.push(event) });
  await openNamed(issuer, { ...queued(10), opensAt: new Date(Date.now() + 3_600_000), drawAtOpen: true });
  const names = ['ann', 'bob', 'cat', 'dan', 'eve'];
  for (const name of names)
    expect(await joinNamed(issuer, ask(name))).toMatchObject({ status: 'waiting', position: null });
  await redis.hset('{coupon:launch}:campaign', 'opensAt', '1');
  await issuer.campaign('launch').admit({ count: 10 });
  const { drawSeed } = await issuer.campaign('launch').inspect();
  const rows = await persistence.list('launch', { afterSerial: 0, limit: 10 });
  expect(rows.map(({ userId }) => userId)).toEqual(
    names.toSorted((a, b) => drawKey(drawSeed!, a) - drawKey(drawSeed!, b)),
  );
  expect(events).toContainEqual({ type: 'drawn', campaignId: 'launch', seed: drawSeed, count: 5 });
});
