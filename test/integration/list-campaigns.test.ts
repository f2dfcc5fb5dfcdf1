import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, type ListedCampaign, MemoryPersistence } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { recording, withEach } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

let server: RedisServer;
let redis: Redis;
let issuer: CouponIssuer;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  issuer = newIssuer();
});

const newIssuer = () => new CouponIssuer({ redis, persistence: new MemoryPersistence() });
const counted = { stock: { kind: 'counted', total: 5 } } as const;
const open = (id: string) => issuer.campaign(id).open(counted);
const key = (id: string, name: string) => `{coupon:${id}}:${name}`;

async function listed(by = issuer, options = {}): Promise<Record<string, ListedCampaign>> {
  const all: Record<string, ListedCampaign> = {};
  for await (const campaign of by.campaigns(options)) {
    expect(all[campaign.id], 'it is listed once').toBeUndefined();
    all[campaign.id] = campaign;
  }
  return all;
}

test('each campaign is listed as inspect() shows it', async () => {
  for (const id of ['open', 'paused', 'closed']) await open(id);
  await issuer.campaign('later').open({ ...counted, opensAt: new Date(Date.now() + 3_600_000) });
  await issuer.campaign('paused').pause();
  await issuer.campaign('closed').closeForGood();
  for (const by of [issuer, newIssuer()]) {
    const all = await listed(by);
    expect(Object.keys(all).sort()).toEqual(['closed', 'later', 'open', 'paused']);
    for (const [id, campaign] of Object.entries(all)) expect(campaign).toEqual(await issuer.campaign(id).inspect());
    expect(
      Object.values(all)
        .map(({ state }) => state)
        .sort(),
    ).toEqual(['closed', 'open', 'paused', 'scheduled']);
  }
});

test('a campaign that cannot be acted on says why, and does not end the list', async () => {
  for (const id of ['whole', 'lost', 'torn', 'rebuilt', 'expired', 'broken', 'opening']) await open(id);
  await redis.del(key('lost', 'campaign'));
  await issuer.campaign('torn').issue({ userId: 'ann' });
  await issuer.idle();
  await redis.del(key('torn', 'grants'));
  await redis.hset(key('rebuilt', 'campaign'), { verified: '0', building: 'a definition' });
  await issuer.campaign('expired').closeForGood({ retainMs: 0 });
  await redis.del(key('broken', 'campaign'));
  await redis.set(key('broken', 'campaign'), 'of another type');
  await redis.hset(key('opening', 'campaign'), 'verified', '0');
  for (const by of [issuer, newIssuer()]) {
    const listing = listed(by);
    await expect(listing, 'it comes to its end').resolves.toBeTypeOf('object');
    const all = await listing;
    expect(all).toMatchObject({ whole: { state: 'open', ready: true, available: 5 } });
    expect(all.lost).toEqual({ id: 'lost', ready: false, state: 'missing' });
    expect(all.torn).toEqual({ id: 'torn', ready: false, state: 'missing' });
    expect(all.opening).toEqual({ id: 'opening', ready: false, state: 'missing' });
    expect(all.rebuilt).toEqual({ id: 'rebuilt', ready: false, state: 'rebuilding' });
    expect(all.expired).toEqual({ id: 'expired', ready: false, state: 'over' });
    const error = expect.objectContaining({ code: 'REDIS', message: expect.stringMatching(/^campaigns: /) });
    expect(all.broken).toEqual({ id: 'broken', ready: false, state: 'unreadable', error });
    expect(Object.keys(all)).toHaveLength(7);
  }
});

test('a process that saw a later state of a campaign lists it as rolled back, and goes on', async () => {
  for (const id of ['back', 'whole']) await open(id);
  const older = await redis.hgetall(key('back', 'campaign'));
  await issuer.campaign('back').setPace({ savesPerSecond: 5 });
  await redis.del(key('back', 'campaign'));
  await redis.hset(key('back', 'campaign'), older);
  expect(await listed()).toMatchObject({ back: { ready: false, state: 'rolled_back' }, whole: { state: 'open' } });
});

test('a campaign that is purged while it is listed is left out', async () => {
  for (const id of ['first', 'purged']) await open(id);
  await issuer.campaign('purged').closeForGood();
  let purged: Promise<void> | null = null;
  const through = withEach(redis, async (sha1, send) => {
    if (sha1 === shaOf(scripts.inspect)) {
      purged = purged ?? issuer.campaign('purged').purge();
      await purged;
    }
    return send();
  });
  const other = new CouponIssuer({ redis: through, persistence: new MemoryPersistence() });
  const all = await listed(other);
  expect(all.first).toMatchObject({ state: 'open' });
  expect(all).not.toHaveProperty('purged');
  expect(Object.keys(await listed(other))).toEqual(['first']);
});

test('no more campaigns than the concurrency are read at a time, and nothing is read after the loop was left', async () => {
  const ids = Array.from({ length: 40 }, (_, i) => `campaign-${i + 1}`);
  for (const id of ids) await open(id);
  let reading = 0;
  let most = 0;
  const { calls, ...client } = recording(redis);
  const through = withEach(client, async (sha1, send) => {
    if (sha1 !== shaOf(scripts.inspect)) return send();
    most = Math.max(most, ++reading);
    return send().finally(() => reading--);
  });
  const other = new CouponIssuer({ redis: through, persistence: new MemoryPersistence() });
  for (const concurrency of [1, 3, 64]) {
    most = 0;
    expect(Object.keys(await listed(other, { concurrency })).sort()).toEqual([...ids].sort());
    expect(most).toBe(Math.min(concurrency, ids.length));
  }
  const before = calls.length;
  for await (const _ of other.campaigns({ concurrency: 3 })) break;
  await other.idle();
  expect(calls.length - before, 'a page of the registry, and three campaigns').toBe(4);
});

test('a registry of many pages is listed whole, once each', async () => {
  const ids = Array.from({ length: 1_500 }, (_, i) => `id-${i}`);
  await redis.hset('coupon:registry', Object.fromEntries(ids.map((id) => [id, '1'])));
  const all = await listed();
  expect(Object.keys(all).sort()).toEqual([...ids].sort());
  expect(new Set(Object.values(all).map(({ state }) => state))).toEqual(new Set(['missing']));
});

test('while the registry cannot be read the list ends with its error, and a closed issuer lists nothing', async () => {
  await open('launch');
  await redis.del('coupon:registry');
  await redis.set('coupon:registry', 'of another type');
  await expect(listed()).rejects.toMatchObject({ code: 'REDIS', message: expect.stringMatching(/^campaigns: /) });
  await redis.del('coupon:registry');
  await open('second');
  const listing = issuer.campaigns();
  await issuer.close();
  await expect(listing.next()).rejects.toMatchObject({ code: 'CLOSED' });
  expect(() => issuer.campaigns()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
});

test.each([0, 65, 1.5, '8', null])('a concurrency of %j is refused', (concurrency) => {
  const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
  expect(() => issuer.campaigns({ concurrency: concurrency as number })).toThrow(refused);
});
