import { expect, test } from 'vitest';
import { CouponIssuer, MemoryPersistence } from '../../src/index.js';
import { until } from '../support/checks/until.js';
import { openNamed, rebuildNamed } from '../support/scenes/named.js';
import { mockRedis } from './support.js';

test('write-behind: accepted at once, saved by the worker in the order of the line', async () => {
  const persistence = new MemoryPersistence();
  const issuer = new CouponIssuer({ redis: mockRedis(), persistence });
  await issuer.campaign('line').open({ stock: { kind: 'counted', total: 5 }, saveMode: 'write-behind' });
  for (const userId of ['zoe', 'ann', 'mia']) {
    expect(await issuer.campaign('line').issue({ userId })).toMatchObject({ status: 'accepted' });
  }
  await issuer.campaign('line').setPace({ savesPerSecond: 1_000 });
  const worker = issuer.startWorker({ intervalMs: 5 });
  await until(async () => (await issuer.campaign('line').inspect()).issued === 3);
  expect(await worker.health()).toMatchObject({ running: true, campaigns: [{ campaignId: 'line', backlog: 0 }] });
  await issuer.close();
  const rows = await persistence.list('line', { afterSerial: 0, limit: 10 });
  expect(rows.map(({ userId }) => userId)).toEqual(['zoe', 'ann', 'mia']);
});

test('the pace is changed while a worker runs, and every campaign is listed with it', async () => {
  const issuer = new CouponIssuer({ redis: mockRedis(), persistence: new MemoryPersistence() });
  const line = issuer.campaign('line');
  await line.open({ stock: { kind: 'counted', total: 9 }, admission: 'queued', pace: { admitPerSecond: 0 } });
  await line.join({ userId: 'ann' });
  const worker = issuer.startWorker({ intervalMs: 5 });
  const waves = [{ at: new Date(1), count: 3 }];
  expect(await line.setPace({ savesPerSecond: 100 / 60, waves })).toEqual({
    savesPerSecond: 100 / 60,
    admitPerSecond: 0,
    waves,
  });
  expect(await line.inspect()).toMatchObject({ waiting: 1 });
  await line.setPace({ admitPerSecond: null, waves: null });
  await until(async () => (await line.inspect()).issued === 1);
  await worker.stop();
  const listed = [];
  for await (const { id, state, ready } of issuer.campaigns()) listed.push({ id, state, ready });
  expect(listed).toEqual([{ id: 'line', state: 'open', ready: true }]);
});

test('a quarantine of more than a page is listed whole, though what was listed is retried meanwhile', async () => {
  const redis = mockRedis();
  const issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence() });
  const line = issuer.campaign('left');
  await line.open({ stock: { kind: 'counted', total: 900 }, saveMode: 'write-behind' });
  const users = Array.from({ length: 601 }, (_, i) => `user-${i}`);
  await Promise.all(users.map((userId) => line.issue({ userId })));
  await redis.zadd('{coupon:left}:leases', ...users.flatMap((userId) => ['9007199254740991', `1:${userId}`]));
  const held: string[] = [];
  const retried: string[] = [];
  for await (const { issuance } of line.quarantine.list()) {
    held.push(issuance.id);
    retried.push(issuance.userId);
    if (held.length === 300) await line.quarantine.retry({ ids: held.splice(0) });
  }
  expect(retried.sort()).toEqual([...users].sort());
});

test('restock, close and purge', async () => {
  const issuer = new CouponIssuer({ redis: mockRedis(), persistence: new MemoryPersistence() });
  await issuer.campaign('more').open({ stock: { kind: 'counted', total: 1 } });
  expect(await issuer.campaign('more').restock({ add: 2, requestId: 'a' })).toEqual({ total: 3, available: 3 });
  await issuer.campaign('more').issue({ userId: 'ann' });
  await issuer.idle();
  expect(await issuer.campaign('more').restock({ add: -2, requestId: 'b' })).toEqual({ total: 1, available: 0 });
  await issuer.campaign('more').closeForGood();
  await issuer.campaign('more').purge();
  await expect(issuer.campaign('more').inspect()).rejects.toThrow('campaign more is over');
  expect(await issuer.campaign('more').issue({ userId: 'bob' })).toMatchObject({ status: 'closed' });
});

test.each(['counted', 'codes'] as const)(
  'a rebuild from the database, and a comparison without findings (%s)',
  async (kind) => {
    const redis = mockRedis();
    const persistence = new MemoryPersistence();
    const issuer = new CouponIssuer({ redis, persistence });
    const stock = kind === 'counted' ? ({ kind, total: 6 } as const) : ({ kind } as const);
    const codes = ['A', 'B', 'C', 'D', 'E', 'F'];
    await issuer.campaign('lost').open({ stock });
    if (kind === 'codes') await issuer.campaign('lost').loadCodes(codes);
    await Promise.all(['ann', 'bob', 'cho'].map((userId) => issuer.campaign('lost').issue({ userId })));
    await issuer.idle();
    await redis.flushall();
    expect(await issuer.campaign('lost').issue({ userId: 'dee' })).toEqual({
      status: 'not_ready',
      reason: 'missing',
    });
    const { campaign } = await issuer.campaign('lost').rebuild({ stock }, kind === 'codes' ? { codes } : {});
    expect(campaign).toMatchObject({ total: 6, issued: 3, available: 3 });
    expect((await issuer.campaign('lost').reconcile()).findings).toEqual([]);
    expect(await issuer.campaign('lost').issue({ userId: 'ann' })).toMatchObject({ status: 'already_issued' });
    expect(await issuer.campaign('lost').issue({ userId: 'dee' })).toMatchObject({ status: 'issued' });
    await issuer.idle();
  },
);

test('what Redis still knows survives a rebuild', async () => {
  const issuer = new CouponIssuer({ redis: mockRedis(), persistence: new MemoryPersistence() });
  const definition = { id: 'kept', stock: { kind: 'counted', total: 3 }, saveMode: 'write-behind' } as const;
  await openNamed(issuer, definition);
  await Promise.all(['ann', 'bob'].map((userId) => issuer.campaign('kept').issue({ userId })));
  expect(await rebuildNamed(issuer, definition)).toMatchObject({ lost: [], campaign: { reserved: 2, available: 1 } });
  expect(await issuer.campaign('kept').settle()).toMatchObject({ settled: 2 });
  expect((await issuer.campaign('kept').reconcile({ repair: 'safe' })).findings).toEqual([]);
});
