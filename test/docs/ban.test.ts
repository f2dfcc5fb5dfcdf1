import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { type Campaign, CouponIssuer, MemoryPersistence, type RevokedAll } from '../../src/index.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { blocksOf } from './markdown.js';
import { Project } from './snippets.js';

test('a ban as the page on revoking has it leaves no user of the list a place, a coupon or a way to either', async () => {
  const project = new Project();
  const server = await RedisServer.start();
  const banned = new Set<string>();
  const persistence = new MemoryPersistence();
  const eligible = ({ userId }: { userId: string }) => !banned.has(userId) || { reason: 'banned' };
  const issuer = new CouponIssuer({ redis: server.client(), persistence, eligible });
  const launch = issuer.campaign('launch');
  try {
    await launch.open({ stock: { kind: 'counted', total: 10 }, admission: 'queued' });
    for (const userId of ['served', 'ann', 'waits', 'nobody', 'bob']) {
      if (userId !== 'nobody') await launch.join({ userId });
      if (userId === 'served') await launch.admit({ count: 1 });
    }
    const block = blocksOf('docs/revoking.md').find(({ text }) => text.includes('function ban('))!;
    (globalThis as { launch?: Campaign }).launch = launch;
    const { ban } = (await import(pathToFileURL(project.write(block)).href)) as {
      ban(users: readonly string[], revocationId: string): Promise<RevokedAll>;
    };
    for (const userId of ['served', 'waits', 'nobody']) banned.add(userId);
    expect(await ban([...banned], 'ban-1')).toMatchObject({ takenBack: 1, notFound: 2, notSavedYet: [] });
    expect(await launch.admit({ count: 9 })).toMatchObject({ admitted: 2, waiting: 0 });
    for (const userId of banned) {
      expect(await launch.join({ userId })).toEqual({ status: 'not_eligible', reason: 'banned' });
      expect((await launch.userStatus({ userId })).status).toBe(userId === 'served' ? 'revoked' : 'none');
    }
    expect(await launch.inspect()).toMatchObject({ available: 8, issued: 3, revoked: 1, waiting: 0 });
  } finally {
    delete (globalThis as { launch?: Campaign }).launch;
    await issuer.close();
    await server.stop();
    project.remove();
  }
});
