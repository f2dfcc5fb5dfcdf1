import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CampaignDefinition, CouponIssuer, MemoryPersistence } from '../../src/index.js';
import { RedisServer } from '../support/redis-server.js';

const COUNTED: CampaignDefinition = { id: 'launch', stock: { kind: 'counted', total: 5 } };
const POOL: CampaignDefinition = { id: 'pool', stock: { kind: 'codes' } };
const CODES = ['AAA', 'BBB', 'CCC'];
const DEFINITIONS = [COUNTED, POOL];

let server: RedisServer;
let redis: Redis;
let persistence: MemoryPersistence;
let issuer: CouponIssuer;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new MemoryPersistence();
  issuer = new CouponIssuer({ redis, persistence });
  await issuer.openCampaign(COUNTED);
  await issuer.openCampaign(POOL);
  await issuer.loadCodes('pool', CODES);
});

/** Copies all keys; the function that it returns puts the copy back. */
async function copied(): Promise<() => Promise<void>> {
  const names = await redis.keys('*');
  const copies = await Promise.all(names.map(async (name) => [name, await redis.dumpBuffer(name)] as const));
  return async () => {
    await redis.flushall();
    for (const [name, value] of copies) await redis.restore(name, 0, value);
  };
}

const issueTo = async (userId: string, by = issuer) => {
  for (const { id } of DEFINITIONS) {
    expect(await by.issue({ campaignId: id, userId })).toMatchObject({ status: 'issued' });
  }
  await by.idle();
};

const READS = {
  status: (id: string) => issuer.status({ campaignId: id, userId: 'ann' }),
  inspect: (id: string) => issuer.inspect(id),
  listQuarantined: (id: string) => issuer.listQuarantined(id),
  settle: (id: string) => issuer.settle(id),
  reconcile: (id: string) => issuer.reconcile(id),
  openCampaign: (id: string) => issuer.openCampaign(DEFINITIONS.find((one) => one.id === id)!),
};
const CHANGES = {
  restock: () => issuer.restock({ id: 'launch', add: 5, requestId: 'more' }),
  replaceCode: () => issuer.replaceCode({ campaignId: 'pool', code: 'CCC', replacement: 'DDD' }),
  loadCodes: () => issuer.loadCodes('pool', ['EEE']),
};

describe.each(['before a rebuild', 'before the last coupon'])('after Redis went back to %s', (to) => {
  beforeEach(async () => {
    let back = await copied();
    if (to === 'before a rebuild') {
      await issuer.rebuild(COUNTED);
      await issuer.rebuild(POOL, { codes: CODES });
    } else back = await copied();
    await issueTo('ann');
    await back();
    for (const { id } of DEFINITIONS) {
      expect(await issuer.issue({ campaignId: id, userId: 'bob' })).toEqual({
        status: 'not_ready',
        reason: 'rolled_back',
      });
    }
  });

  const refusal = { code: 'NOT_READY', reason: 'rolled_back' };

  test.each(Object.entries(READS))('%s refuses as issue() does', async (_, read) => {
    for (const { id } of DEFINITIONS) await expect(read(id)).rejects.toMatchObject(refusal);
  });

  test.each(Object.entries(CHANGES))('%s refuses as issue() does, and changes nothing', async (_, change) => {
    const fields = await redis.hgetall('{coupon:pool}:campaign');
    const total = await redis.hget('{coupon:launch}:campaign', 'total');
    await expect(change()).rejects.toMatchObject(refusal);
    expect(await redis.hgetall('{coupon:pool}:campaign')).toEqual(fields);
    expect(await redis.hget('{coupon:launch}:campaign', 'total')).toBe(total);
  });

  test('a campaign can be paused and closed all the same by a process that saw no rebuild', async () => {
    const fresh = new CouponIssuer({ redis, persistence });
    await fresh.pause('launch');
    await fresh.resume('launch');
    await fresh.closeCampaign({ id: 'launch' });
    expect(await fresh.inspect('launch')).toMatchObject({ state: 'closed' });
  });

  test('the health of a worker says that there is nothing to read', async () => {
    const worker = issuer.startWorker({ campaigns: ['launch'], intervalMs: 60_000 });
    await new Promise((resolve) => setImmediate(resolve));
    const { campaigns } = await worker.health();
    await worker.stop();
    expect(campaigns[0]).toMatchObject({ campaignId: 'launch', backlog: null, quarantined: null });
  });

  test('a rebuild ends the refusal, and the user who was told issued is told so again', async () => {
    await issuer.rebuild(COUNTED);
    expect(await READS.status('launch')).toMatchObject({ status: 'issued', issuances: [{ userId: 'ann' }] });
  });
});

test('a process that saw the last coupon may still pause, resume and close a campaign that went back', async () => {
  const back = await copied();
  await issueTo('ann');
  await back();
  await expect(issuer.inspect('launch')).rejects.toMatchObject({ reason: 'rolled_back' });
  await issuer.pause('launch');
  await issuer.resume('launch');
  await issuer.closeCampaign({ id: 'launch' });
});

test('a state that lost a restock is refused by the process that made it', async () => {
  const back = await copied();
  expect(await CHANGES.restock()).toEqual({ total: 10, available: 10 });
  await back();
  const result = await issuer.issue({ campaignId: 'launch', userId: 'ann' });
  expect(result).toEqual({ status: 'not_ready', reason: 'rolled_back' });
});

test('a process that knows an older epoch reads the newer one, and answers', async () => {
  const other = new CouponIssuer({ redis, persistence });
  await issueTo('ann', other);
  expect(await READS.status('launch')).toMatchObject({ status: 'issued' });
  await other.rebuild(COUNTED);
  expect(await READS.status('launch')).toMatchObject({ status: 'issued', issuances: [{ userId: 'ann' }] });
  expect(await issuer.listQuarantined('launch')).toEqual([]);
});
