import { expect, test } from 'vitest';
import { CouponIssuer, MemoryPersistence } from '../../src/index.js';
import { until } from '../support/checks/until.js';
import { mockRedis } from './support.js';

test('write-behind: accepted at once, saved by the worker in the order of the line', async () => {
  const persistence = new MemoryPersistence();
  const issuer = new CouponIssuer({ redis: mockRedis(), persistence });
  await issuer.openCampaign({ id: 'line', stock: { kind: 'counted', total: 5 }, saveMode: 'write-behind' });
  for (const userId of ['zoe', 'ann', 'mia']) {
    expect(await issuer.issue({ campaignId: 'line', userId })).toMatchObject({ status: 'accepted' });
  }
  const worker = issuer.startWorker({ intervalMs: 5, maxSavesPerSecond: 1_000 });
  await until(async () => (await issuer.inspect('line')).issued === 3);
  expect(await worker.health()).toMatchObject({ running: true, campaigns: [{ campaignId: 'line', backlog: 0 }] });
  await issuer.close();
  const rows = await persistence.list('line', { afterSerial: 0, limit: 10 });
  expect(rows.map(({ userId }) => userId)).toEqual(['zoe', 'ann', 'mia']);
});

test('restock, close and purge', async () => {
  const issuer = new CouponIssuer({ redis: mockRedis(), persistence: new MemoryPersistence() });
  await issuer.openCampaign({ id: 'more', stock: { kind: 'counted', total: 1 } });
  expect(await issuer.restock({ id: 'more', add: 2, requestId: 'a' })).toEqual({ total: 3, available: 3 });
  await issuer.issue({ campaignId: 'more', userId: 'ann' });
  await issuer.idle();
  expect(await issuer.restock({ id: 'more', add: -2, requestId: 'b' })).toEqual({ total: 1, available: 0 });
  await issuer.closeCampaign({ id: 'more' });
  await issuer.purge('more');
  await expect(issuer.inspect('more')).rejects.toThrow('campaign more is over');
  expect(await issuer.issue({ campaignId: 'more', userId: 'bob' })).toMatchObject({ status: 'closed' });
});

test.each(['counted', 'codes'] as const)(
  'a rebuild from the database, and a comparison without findings (%s)',
  async (kind) => {
    const redis = mockRedis();
    const persistence = new MemoryPersistence();
    const issuer = new CouponIssuer({ redis, persistence });
    const stock = kind === 'counted' ? ({ kind, total: 6 } as const) : ({ kind } as const);
    const codes = ['A', 'B', 'C', 'D', 'E', 'F'];
    await issuer.openCampaign({ id: 'lost', stock });
    if (kind === 'codes') await issuer.loadCodes('lost', codes);
    await Promise.all(['ann', 'bob', 'cho'].map((userId) => issuer.issue({ campaignId: 'lost', userId })));
    await issuer.idle();
    await redis.flushall();
    expect(await issuer.issue({ campaignId: 'lost', userId: 'dee' })).toEqual({
      status: 'not_ready',
      reason: 'missing',
    });
    const { campaign } = await issuer.rebuild({ id: 'lost', stock }, kind === 'codes' ? { codes } : {});
    expect(campaign).toMatchObject({ total: 6, issued: 3, available: 3 });
    expect((await issuer.reconcile('lost')).findings).toEqual([]);
    expect(await issuer.issue({ campaignId: 'lost', userId: 'ann' })).toMatchObject({ status: 'already_issued' });
    expect(await issuer.issue({ campaignId: 'lost', userId: 'dee' })).toMatchObject({ status: 'issued' });
    await issuer.idle();
  },
);

test('what Redis still knows survives a rebuild', async () => {
  const issuer = new CouponIssuer({ redis: mockRedis(), persistence: new MemoryPersistence() });
  const definition = { id: 'kept', stock: { kind: 'counted', total: 3 }, saveMode: 'write-behind' } as const;
  await issuer.openCampaign(definition);
  await Promise.all(['ann', 'bob'].map((userId) => issuer.issue({ campaignId: 'kept', userId })));
  expect(await issuer.rebuild(definition)).toMatchObject({ lost: [], campaign: { reserved: 2, available: 1 } });
  expect(await issuer.settle('kept')).toMatchObject({ settled: 2 });
  expect((await issuer.reconcile('kept', { repair: 'safe' })).findings).toEqual([]);
});
