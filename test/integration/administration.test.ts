import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, type Issuance, MemoryPersistence } from '../../src/index.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { until } from '../support/checks/until.js';
import { dump, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { restockNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let issuer: CouponIssuer;
let campaigns = 0;
let id: string;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new ScriptedPersistence();
  id = `administered-${++campaigns}`;
  issuer = new CouponIssuer({ redis, persistence });
});

const open = (total: number) => issuer.campaign(id).open({ stock: { kind: 'counted', total } });
const issueTo = async (userId: string) => (await issuer.campaign(id).issue({ userId })).status;
const issueAll = (names: string[]) => Promise.all(names.map(issueTo));
const audit = async () => {
  await issuer.idle();
  await checkInvariants({ redis, campaignId: id, rows: await persistence.rows(id), settled: true });
};

describe('restock', () => {
  test('units that are added are seen by the next call, in every process', async () => {
    const other = new CouponIssuer({ redis, persistence });
    await open(1);
    expect(await issueAll(['ann', 'bob'])).toEqual(['issued', 'sold_out']);
    expect(await other.campaign(id).restock({ add: 2, requestId: 'more' })).toEqual({ total: 3, available: 2 });
    expect(await issueAll(['bob', 'cho', 'dee'])).toEqual(['issued', 'issued', 'sold_out']);
    await audit();
  });

  test('a repeat under the same request id adds nothing, another change under it is refused', async () => {
    await open(1);
    const change = { id, add: 5, requestId: 'more' };
    await restockNamed(issuer, change);
    expect(await restockNamed(issuer, change)).toEqual({ total: 6, available: 6 });
    await expect(restockNamed(issuer, { ...change, add: 6 })).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
    expect(await issuer.campaign(id).inspect()).toMatchObject({ total: 6, available: 6 });
  });

  test('only units that nobody has can be taken away, those that came back too', async () => {
    await open(10);
    await issueAll(['ann', 'bob', 'cho', 'dee']);
    await issuer.idle();
    // Two come back: their database refuses them for certain.
    persistence.next(() => Promise.reject(Object.assign(new Error('no'), { name: 'NotSavedError', wholeBatch: true })));
    await Promise.allSettled(['eve', 'fay'].map(issueTo));
    await issuer.idle();
    expect(await issuer.campaign(id).inspect()).toMatchObject({ issued: 4, available: 6 });
    await expect(issuer.campaign(id).restock({ add: -7, requestId: 'too-many' })).rejects.toThrow('only 6 units');
    expect(await issuer.campaign(id).restock({ add: -5, requestId: 'less' })).toEqual({ total: 5, available: 1 });
    expect(await issueAll(['gus', 'hal'])).toEqual(['issued', 'sold_out']);
    expect(await issuer.campaign(id).inspect()).toMatchObject({ total: 5, issued: 5, available: 0 });
    await audit();
    expect(await issuer.campaign(id).restock({ add: 1, requestId: 'one-more' })).toEqual({ total: 6, available: 1 });
    expect(await issueAll(['hal', 'ida'])).toEqual(['issued', 'sold_out']);
    await audit();
  });

  test('a process that opens the campaign again after a restock finds it open', async () => {
    await open(1);
    await issuer.campaign(id).restock({ add: 4, requestId: 'more' });
    expect(
      await new CouponIssuer({ redis, persistence }).campaign(id).open({ stock: { kind: 'counted', total: 1 } }),
    ).toMatchObject({
      status: 'exists',
      campaign: { total: 5 },
    });
  });

  test('pools, unlimited and closed campaigns are refused', async () => {
    await issuer.campaign(id).open({ stock: { kind: 'codes' } });
    const change = { add: 1, requestId: 'more' };
    await expect(issuer.campaign(id).restock(change)).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
    id = `${id}-counted`;
    await open(1);
    await issuer.campaign(id).closeForGood();
    await expect(issuer.campaign(id).restock(change)).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
  });
});

describe('purge', () => {
  test('removes every key of a closed campaign and its entry in the registry', async () => {
    await open(2);
    await issueTo('ann');
    await issuer.idle();
    await expect(issuer.campaign(id).purge()).rejects.toThrow('is not closed');
    await issuer.campaign(id).closeForGood();
    await issuer.campaign(id).purge();
    expect(await redis.hkeys('coupon:registry')).toEqual([]);
    // What is left is small: the counter of generations, and that the newest campaigns are over.
    expect(Object.keys(await dump(redis)).sort()).toEqual(['coupon:generation', 'coupon:over']);
    expect(await issuer.campaign(id).issue({ userId: 'bob' })).toMatchObject({ status: 'closed' });
    // A second purge says that it is over. To rebuild it would let it serve again.
    const again = await issuer
      .campaign(id)
      .purge()
      .catch((error: unknown) => error);
    expect(again).toMatchObject({
      code: 'CAMPAIGN_CONFLICT',
      message: expect.stringContaining('is over: it was closed'),
    });
    expect(String(again)).not.toContain('rebuild');
    // The rows stay, so it cannot be mistaken for a new one.
    await expect(open(2)).rejects.toThrow('Take another id');
  });

  test('refuses a campaign with something reserved', async () => {
    await open(2);
    const end = persistence.hold();
    const asked = issueTo('ann');
    await until(async () => (await issuer.campaign(id).inspect()).reserved === 1);
    await issuer.campaign(id).closeForGood();
    const before = await dump(redis);
    await expect(issuer.campaign(id).purge()).rejects.toThrow('not settled yet');
    expect(await dump(redis)).toEqual(before);
    end();
    expect(await asked).toBe('issued');
    await issuer.idle();
    await issuer.campaign(id).purge();
  });

  test('strikes the entry of a campaign whose keys have expired', async () => {
    await open(2);
    await issuer.campaign(id).closeForGood({ retainMs: 0 });
    await until(async () => (await redis.exists(`{coupon:${id}}:campaign`)) === 0);
    await issuer.campaign(id).purge();
    expect(await redis.hkeys('coupon:registry')).toEqual([]);
  });
});

describe('the server behind a campaign', () => {
  test('one that may evict keys is refused, unless told otherwise', async () => {
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    try {
      const refused = open(1);
      await expect(refused).rejects.toMatchObject({ code: 'MISCONFIGURED' });
      await expect(refused).rejects.toThrow('allkeys-lru');
      expect(await dump(redis)).toEqual({});
      issuer = new CouponIssuer({ redis, persistence, unsafeRedis: 'allow' });
      expect(await open(1)).toMatchObject({ status: 'opened' });
    } finally {
      await redis.config('SET', 'maxmemory-policy', 'noeviction');
    }
  });

  test('a replica is refused', async () => {
    const replica = await RedisServer.start();
    const client = replica.client();
    await client.replicaof('127.0.0.1', server.port);
    const wrong = new CouponIssuer({ redis: client, persistence });
    const refused = wrong.campaign(id).open({ stock: { kind: 'unlimited' } });
    await expect(refused).rejects.toMatchObject({ code: 'MISCONFIGURED' });
    await expect(refused).rejects.toThrow('replica');
    await replica.stop();
  });

  test('one that does not say is let pass', async () => {
    await redis.acl('SETUSER', 'quiet', 'on', '>secret', '~*', '+@all', '-info');
    const client = server.client({ username: 'quiet', password: 'secret', enableReadyCheck: false });
    const quiet = new CouponIssuer({ redis: client, persistence });
    expect(await quiet.campaign(id).open({ stock: { kind: 'unlimited' } })).toMatchObject({ status: 'opened' });
  });
});

describe('replicas', () => {
  test('without persistence issued means: on so many replicas, and with fewer it is accepted', async () => {
    const replica = await RedisServer.start();
    await replica.client().replicaof('127.0.0.1', server.port);
    await until(async () => (await redis.info('replication')).includes('state=online'));
    const one = new CouponIssuer({ redis, replicas: { count: 1, timeoutMs: 5_000 } });
    await one.campaign(id).open({ stock: { kind: 'unlimited' } });
    expect(await one.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'issued' });
    expect(await replica.client().hlen(`{coupon:${id}}:grants`)).toBe(1);
    const two = new CouponIssuer({ redis, replicas: { count: 2, timeoutMs: 20 } });
    expect(await two.campaign(id).issue({ userId: 'bob' })).toMatchObject({
      status: 'accepted',
      issuance: { code: null },
    });
    await replica.stop();
  });

  test('a repeat is issued once as many replicas have the write of its first call', async () => {
    const none = new CouponIssuer({ redis, replicas: { count: 1, timeoutMs: 20 } });
    await none.campaign(id).open({ stock: { kind: 'unlimited' } });
    const request = { userId: 'ann', requestId: 'one' };
    expect(await none.campaign(id).issue(request)).toMatchObject({ status: 'accepted' });
    expect(await none.campaign(id).issue(request)).toMatchObject({ status: 'accepted', replayed: true });
    const replica = await RedisServer.start();
    await replica.client().replicaof('127.0.0.1', server.port);
    await until(async () => (await redis.info('replication')).includes('state=online'));
    const one = new CouponIssuer({ redis, replicas: { count: 1, timeoutMs: 5_000 } });
    expect(await one.campaign(id).issue(request)).toMatchObject({ status: 'issued', replayed: true });
    await replica.stop();
  });

  test('a delivered coupon that no database keeps is accepted where replicas are missing', async () => {
    const delivered: string[] = [];
    const deliver = ({ userId }: Issuance) => {
      delivered.push(userId);
    };
    const without = new CouponIssuer({ redis, deliver, replicas: { count: 1, timeoutMs: 20 } });
    await without.campaign(id).open({ stock: { kind: 'unlimited' } });
    expect(await without.campaign(id).issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
    expect(delivered).toEqual(['ann']);
    await without.idle();
    expect(await without.campaign(id).inspect()).toMatchObject({ reserved: 0, issued: 1 });
  });

  test('a row is issued though a new coupon beside it has too few replicas', async () => {
    issuer = new CouponIssuer({ redis, persistence, replicas: { count: 1, timeoutMs: 20 } });
    await issuer.campaign(id).open({ stock: { kind: 'unlimited' }, saveMode: 'write-behind' });
    const request = { userId: 'ann', requestId: 'one' };
    await issuer.campaign(id).issue(request);
    await issuer.campaign(id).settle();
    const results = await Promise.all([
      issuer.campaign(id).issue(request),
      issuer.campaign(id).issue({ userId: 'bob' }),
    ]);
    expect(results).toMatchObject([{ status: 'issued', replayed: true }, { status: 'accepted' }]);
    await issuer.campaign(id).settle();
    await audit();
  });

  test('what the database has committed is issued, replicas or not', async () => {
    issuer = new CouponIssuer({ redis, persistence, replicas: { count: 3, timeoutMs: 10 } });
    await open(1);
    expect(await issueTo('ann')).toBe('issued');
    await audit();
  });
});

test('skipRowCheck opens a campaign though the database holds rows of that id', async () => {
  await open(5);
  await issueTo('ann');
  await issuer.idle();
  await redis.flushall();
  await expect(open(5)).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
  const again = new CouponIssuer({ redis, persistence: new MemoryPersistence() });
  await redis.flushall();
  expect(await again.campaign(id).open({ stock: { kind: 'counted', total: 5 } }, { skipRowCheck: true })).toMatchObject(
    {
      status: 'opened',
    },
  );
});

test.each([
  ['restock without a request id', () => restockNamed(issuer, { id, add: 1 } as never)],
  ['restock by a fraction', () => issuer.campaign(id).restock({ add: 0.5, requestId: 'a' })],
  ['purge of a bad id', async () => issuer.campaign('no spaces').purge()],
  [
    'an unknown option of open',
    () => issuer.campaign(id).open({ stock: { kind: 'unlimited' } }, { force: true } as never),
  ],
])('%s is refused before any I/O', async (_, call) => {
  await expect(call()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  expect(await dump(redis)).toEqual({});
});
