import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { release01 } from '../../bench/contestants/coupon-issuer-0.1.js';
import { Database } from '../support/servers/database.js';
import { RedisServer } from '../support/servers/redis-server.js';

const TABLE = 'bench_release';
/** A clone without its history, and a package without a repository, do not have it. */
const release = await release01();

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

test.skipIf(release.missing !== undefined)('release 0.1 issues, lets through and settles what it says', async () => {
  if (release.missing !== undefined) return;
  await database.pool.query(release.createTableSql({ table: TABLE }));
  const persistence = new release.PostgresPersistence(database.pool, { table: TABLE });
  const issuer = new release.CouponIssuer({ redis, persistence });
  const rows = async (id: string) =>
    (await database.pool.query(`SELECT user_id FROM ${TABLE} WHERE campaign_id = $1 ORDER BY serial`, [id])).rows.map(
      ({ user_id }) => user_id,
    );
  const stock = { kind: 'counted', total: 2 };

  const at = issuer.campaign('at-once');
  await at.open({ stock });
  const told = await Promise.all(['ann', 'bob', 'cho'].map((userId) => at.issue({ userId })));
  await issuer.idle();
  expect(told.map(({ status }) => status)).toEqual(['issued', 'issued', 'sold_out']);
  expect(await rows('at-once')).toEqual(['ann', 'bob']);
  expect(await at.inspect()).toMatchObject({ issued: 2, reserved: 0, available: 0 });

  const line = issuer.campaign('in-line');
  await line.open({ stock, admission: 'queued' });
  expect(await line.join({ userId: 'ann' })).toMatchObject({ status: 'waiting' });
  expect(await line.admit({ count: 1 })).toMatchObject({ status: 'admitted', issued: 1 });
  expect(await rows('in-line')).toEqual(['ann']);

  const behind = issuer.campaign('behind');
  await behind.open({ stock, saveMode: 'write-behind' });
  expect(await behind.issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
  expect(await behind.settle()).toMatchObject({ settled: 1 });
  expect(await rows('behind')).toEqual(['ann']);
  await issuer.close();
});
