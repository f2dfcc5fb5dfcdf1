import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildRelease } from '../../bench/release.js';
import { CouponIssuer } from '../../src/index.js';
import { PostgresPersistence } from '../../src/persistence/postgres/index.js';
import { Database, rowsOf } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';

/** A clone without its history, and a package without a repository, do not have it. */
const release = await buildRelease();

let server: RedisServer;
let redis: Redis;
let database: Database;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  database = await Database.create();
});
afterAll(async () => {
  redis.disconnect();
  await Promise.all([server.stop(), database.stop()]);
});

const stock = { kind: 'counted', total: 3 } as const;

/** 0.1, with a campaign in which Ann has a coupon. */
async function sale() {
  const { CouponIssuer: Old } = await import(`${release.dist}/index.js`);
  const { PostgresPersistence: OldPersistence, createTableSql } = await import(`${release.dist}/postgres.js`);
  await database.pool.query(createTableSql());
  const old = new Old({ redis, persistence: new OldPersistence(database.pool) });
  await old.openCampaign({ id: 'launch', stock });
  const ann = await old.issue({ campaignId: 'launch', userId: 'ann', requestId: 'order-1' });
  return { old, ann };
}

test.skipIf(release.missing !== undefined)(
  'a campaign of 0.1 moves to this version as docs/from-0.1.md says',
  async () => {
    const { old, ann } = await sale();
    const persistence = new PostgresPersistence(database.pool);
    await expect(persistence.createTable()).rejects.toThrow('upgradeTable() adds each part that is missing');
    await persistence.upgradeTable();
    // The table was upgraded first: 0.1 goes on saving into it.
    expect(await old.issue({ campaignId: 'launch', userId: 'bob' })).toMatchObject({ status: 'issued' });

    const issuer = new CouponIssuer({ redis, persistence });
    for (const call of [
      () => issuer.campaign('launch').open({ stock }),
      () => issuer.campaign('launch').issue({ userId: 'cho' }),
      () => issuer.campaign('launch').rebuild({ stock }),
    ])
      await expect(call()).rejects.toThrow(/by 0\.1, .* docs\/from-0\.1\.md/);
    await issuer.close();

    await old.closeCampaign({ id: 'launch', retainMs: 86_400_000 });
    await old.idle();
    expect(await old.settle('launch')).toEqual({ settled: 0, pending: 0, failed: 0 });
    expect(await old.inspect('launch')).toMatchObject({ reserved: 0, issued: 2 });

    const next = new CouponIssuer({ redis, persistence, prefix: 'coupons-2' });
    const moved = next.campaign('launch');
    expect(await moved.rebuild({ stock })).toMatchObject({ rows: 2, lost: [], campaign: { available: 1, issued: 2 } });
    // A process of 0.1 that nobody stopped gives nothing.
    expect(await old.issue({ campaignId: 'launch', userId: 'late' })).toMatchObject({ status: 'closed' });
    await old.close();
    const { id, serial } = ann.issuance;
    expect(await moved.issue({ userId: 'ann', requestId: 'order-1' })).toMatchObject({
      ...{ status: 'issued', replayed: true, issuance: { id, serial } },
    });
    expect(await moved.issue({ userId: 'cho' })).toMatchObject({ status: 'issued', issuance: { serial: 3 } });
    expect(await moved.issue({ userId: 'dan' })).toEqual({ status: 'sold_out' });
    await next.idle();
    expect((await moved.reconcile()).findings).toEqual([]);
    await next.close();
    expect((await rowsOf(database, 'launch')).map(({ userId }) => userId)).toEqual(['ann', 'bob', 'cho']);
  },
);
