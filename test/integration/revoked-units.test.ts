import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Campaign, CouponIssuer, type Issuance } from '../../src/index.js';
import {
  type Announcement,
  announceRevokes,
  dropAnnounced,
  findAnnounced,
  type RevokedUnit,
  takeBack,
} from '../../src/redis/revoke.js';
import type { Shard } from '../../src/redis/shard.js';
import { ScriptedPersistence } from '../support/scenes/campaigns.js';
import { shardOf } from '../support/scenes/revoking.js';
import { RedisServer } from '../support/servers/redis-server.js';

/** Two batches of announcements, and several of units. */
const COUNT = 620;

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let launch: Campaign;
let shard: Shard;
let opened = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());

beforeEach(async () => {
  persistence = new ScriptedPersistence();
  const issuer = new CouponIssuer({ redis, persistence });
  launch = issuer.campaign(`revoked-${++opened}`);
  await launch.open({ stock: { kind: 'counted', total: COUNT } });
  await Promise.all(Array.from({ length: COUNT }, (_, i) => launch.issue({ userId: `user-${i}` })));
  await issuer.idle();
  shard = await shardOf(redis, launch.id);
});

const rows = () => persistence.rows(launch.id);
const unitOf = ({ id, userId, serial }: Issuance, how: Partial<RevokedUnit> = {}): RevokedUnit => ({
  id,
  userId,
  serial,
  frees: false,
  returns: false,
  ...how,
});
const announcementOf = ({ id, userId, serial }: Issuance, version = 0): Announcement => ({
  id,
  userId,
  serial,
  version,
});
const campaignKey = () => `{coupon:${launch.id}}:campaign`;
/** A lease after they were announced. */
async function makeDue(): Promise<void> {
  for (const [field, text] of Object.entries(await redis.hgetall(campaignKey())))
    if (field.startsWith('revoking:')) await redis.hset(campaignKey(), field, text.replace(/^([^:]*):\d+/, '$1:1'));
}

test('each announcement is found once it is due, and goes with the unit that is taken back', async () => {
  const announced = (await rows()).map((row) => announcementOf(row));
  expect(await announceRevokes(shard, announced)).toBe('announced');
  expect(await redis.hget(campaignKey(), 'revoking')).toBe(String(COUNT));
  expect(await findAnnounced(shard, COUNT)).toEqual([]);
  await makeDue();
  const bySerial = (a: { serial: number }, b: { serial: number }) => a.serial - b.serial;
  expect(((await findAnnounced(shard, COUNT)) as typeof announced).sort(bySerial)).toEqual(announced);
  expect(await findAnnounced(shard, 7)).toHaveLength(7);

  const units = (await rows()).map((row, i) => unitOf(row, { frees: i % 2 === 1, returns: i < 10 }));
  expect(await takeBack(shard, units)).toEqual(units.map(() => 'taken_back'));
  expect(await takeBack(shard, units)).toEqual(units.map(({ frees }) => (frees ? 'gone' : 'before')));
  expect(await findAnnounced(shard, COUNT)).toEqual([]);
  expect(await launch.inspect()).toMatchObject({ issued: COUNT / 2, withdrawn: COUNT / 2, available: 10, ready: true });
});

test('an announcement gives way to those of later versions alone, and goes with those that are dropped', async () => {
  const [row, other] = await rows();
  const of = (version: number) => announcementOf(row!, version);
  await announceRevokes(shard, [of(2), announcementOf(other!)]);
  await announceRevokes(shard, [of(1)]);
  await dropAnnounced(shard, [of(1), announcementOf(other!)]);
  await makeDue();
  expect(await findAnnounced(shard, 10)).toEqual([of(2)]);
  await announceRevokes(shard, [of(3)]);
  await dropAnnounced(shard, [of(2)]);
  await makeDue();
  expect(await findAnnounced(shard, 10)).toEqual([of(3)]);
  await dropAnnounced(shard, [of(4)]);
  expect(await redis.hget(campaignKey(), 'revoking')).toBe('0');
});
