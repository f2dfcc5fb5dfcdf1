import { expect, test } from 'vitest';
import { CouponIssuer, type Issuance, MemoryPersistence, type Stock } from '../../src/index.js';
import { announceRevokes, dropAnnounced, findAnnounced, takeBack, unitOf } from '../../src/redis/revoke.js';
import { revokeRow, shardOf } from '../support/scenes/revoking.js';
import { mockRedis } from './support.js';

const CODES = ['AAA', 'BBB', 'CCC', 'DDD'];

test.each<Stock>([{ kind: 'counted', total: 4 }, { kind: 'codes' }])(
  'coupons of $kind stock are revoked, taken back, compared and made again',
  async (stock) => {
    const redis = mockRedis();
    const persistence = new MemoryPersistence();
    const issuer = new CouponIssuer({ redis, persistence });
    const launch = issuer.campaign('launch');
    await launch.open({ stock });
    if (stock.kind === 'codes') await launch.loadCodes(CODES);
    for (const userId of ['ann', 'bob', 'eve']) await launch.issue({ userId, requestId: 'first' });
    await issuer.idle();
    const returned = stock.kind === 'counted';
    const unit = returned ? 'returned' : 'kept';
    const [ann, bob, eve] = (await persistence.list('launch', { afterSerial: 0, limit: 9 })) as Issuance[];

    const done = { status: 'taken_back', stock: 'done' };
    const revoke = { revocationId: 'fraud', unit } as const;
    expect(await launch.revoke({ ...revoke, id: ann!.id, userId: 'ann' })).toMatchObject(done);
    expect(await launch.revoke({ ...revoke, id: bob!.id, userId: 'bob', again: true })).toMatchObject(done);
    const replaced = returned ? 2 : 0;
    const books = { total: 4, issued: 2, revoked: 1, withdrawn: 1, replaced, available: 1 + replaced };
    expect(await launch.inspect()).toMatchObject(books);

    // In the database alone, as by a process that died.
    const late = await revokeRow(persistence, eve!);
    const shard = await shardOf(redis, 'launch');
    const announced = { id: eve!.id, userId: 'eve', serial: eve!.serial, version: 0 };
    expect(await announceRevokes(shard, [announced])).toBe('announced');
    await redis.hset('{coupon:launch}:campaign', `revoking:${eve!.id}`, `0:1:${eve!.serial}:eve`);
    expect(await findAnnounced(shard, 10)).toEqual([announced]);
    expect((await launch.reconcile()).findings.map(({ kind }) => kind)).toEqual(['revoked_in_database']);
    expect(await takeBack(shard, [unitOf(late)])).toEqual(['taken_back']);
    await dropAnnounced(shard, [announced]);
    expect(await findAnnounced(shard, 10)).toEqual([]);

    for (const isLost of [false, true]) {
      if (isLost) await redis.flushall();
      const { campaign } = await (returned ? launch.rebuild({ stock }) : launch.rebuild({ stock }, { codes: CODES }));
      expect(campaign).toMatchObject({ ...books, revoked: 2, ready: true });
      expect((await launch.reconcile()).findings).toEqual([]);
    }
    expect((await launch.issue({ userId: 'ann', requestId: 'first' })).status).toBe('revoked');
    expect((await launch.issue({ userId: 'bob', requestId: 'second' })).status).toBe('issued');
    await issuer.close();
  },
);
