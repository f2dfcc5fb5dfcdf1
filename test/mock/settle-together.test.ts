import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type CouponEvent, CouponIssuer, type Issuance, MemoryPersistence, NotSavedError } from '../../src/index.js';
import { campaignKeys } from '../../src/redis/keys.js';
import { ScriptRunner } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';
import { shaOf } from '../support/servers/sent.js';
import { mockRedis } from './support.js';

const BEHIND = { stock: { kind: 'counted', total: 10 }, saveMode: 'write-behind' } as const;
const USERS = ['kim', '이영희', 'a:b:c', 'line\nbreak', ' '];
const KEYS = campaignKeys('coupon', 'launch');

async function accepted(
  persistence: MemoryPersistence,
  options: Partial<ConstructorParameters<typeof CouponIssuer>[0]> = {},
) {
  const redis = mockRedis();
  const events: CouponEvent[] = [];
  const issuer = new CouponIssuer({ redis, persistence, onEvent: (event) => void events.push(event), ...options });
  const campaign = issuer.campaign('launch');
  await campaign.open(BEHIND);
  return { redis, events, issuer, campaign, told: () => events.map(({ type }) => type) };
}

/** From here on everything that waits for a later try is due. */
async function makeDue(redis: ReturnType<typeof mockRedis>) {
  for (const field of await redis.zrange(KEYS.leases, 0, -1)) await redis.zadd(KEYS.leases, '100000000001', field);
}

test('what is claimed comes whole, whatever its users, codes and data are', async () => {
  const persistence = new MemoryPersistence();
  const redis = mockRedis();
  const issuer = new CouponIssuer({ redis, persistence });
  const campaign = issuer.campaign('launch');
  await campaign.open({ stock: { kind: 'codes' }, saveMode: 'write-behind', perUser: 2 });
  const codes = ['A', 'B:C', 'D\nE', '::', 'F', 'G'];
  await campaign.loadCodes(codes, { asTheyAre: true });
  const data = [undefined, { shop: 'x\ny' }, undefined, { n: 1 }, undefined];
  for (const [i, userId] of USERS.entries()) {
    const given = data[i];
    expect((await campaign.issue(given ? { userId, data: given } : { userId })).status).toBe('accepted');
  }
  await campaign.issue({ userId: 'kim' });
  expect(await campaign.settle()).toEqual({ settled: 6, pending: 0, failed: 0 });
  const rows = await persistence.list('launch', { afterSerial: 0, limit: 10 });
  const seen = rows.map(({ userId, grant, serial, code, data: given }) => [userId, grant, serial, code, given]);
  expect(seen).toEqual([
    ...USERS.map((userId, i) => [userId, 1, i + 1, codes[i], data[i]]),
    ['kim', 2, 6, 'G', undefined],
  ]);
  expect((await redis.hget(KEYS.grants, '1:a:b:c'))!.slice(0, 4)).toBe('i:0:');
});

test('a save that is refused leaves its reservation, with the number of its failures, and the others are settled', async () => {
  class Choosy extends MemoryPersistence {
    override async save(issuances: readonly Issuance[]) {
      if (issuances.some(({ userId }) => userId === 'kim')) throw new NotSavedError('no kim', { permanent: false });
      return super.save(issuances);
    }
  }
  const persistence = new Choosy();
  const { redis, campaign, told } = await accepted(persistence);
  for (const userId of USERS) await campaign.issue({ userId });
  expect(await campaign.settle()).toEqual({ settled: 4, pending: 0, failed: 1 });
  expect(told().filter((type) => type === 'settled')).toHaveLength(4);
  expect((await redis.hget(KEYS.grants, '1:kim'))!.split(':')[0]).toBe('t10001');
  await makeDue(redis);
  await campaign.issue({ userId: 'lee' });
  expect(await campaign.settle()).toEqual({ settled: 1, pending: 0, failed: 1 });
  expect((await redis.hget(KEYS.grants, '1:kim'))!.split(':')[0]).toBe('t20002');
  expect((await redis.hget(KEYS.grants, '1:lee'))!.slice(0, 4)).toBe('i:0:');
});

test('a worker that dies after its claim leaves the number of failures', async () => {
  let seen = '';
  const redis = mockRedis();
  class Looking extends MemoryPersistence {
    override async save(issuances: readonly Issuance[]) {
      seen = (await redis.hget(KEYS.grants, '1:kim'))!.split(':')[0]!;
      return super.save(issuances);
    }
  }
  const campaign = new CouponIssuer({ redis, persistence: new Looking() }).campaign('launch');
  await campaign.open(BEHIND);
  await campaign.issue({ userId: 'kim' });
  const record = (await redis.hget(KEYS.grants, '1:kim'))!;
  await redis.hset(KEYS.grants, '1:kim', record.replace('t:', 't10001:'));
  expect((await campaign.settle()).settled).toBe(1);
  expect(seen).toBe('t10001');
});

test('a lost confirm is no settled reservation: it is settled once it is due again', async () => {
  const { redis, campaign, told } = await accepted(new MemoryPersistence());
  for (const userId of USERS) await campaign.issue({ userId });
  const evalsha = redis.evalsha.bind(redis) as (...args: unknown[]) => Promise<unknown>;
  let lost = 0;
  redis.evalsha = ((sha: string, ...args: unknown[]) =>
    sha === shaOf(scripts.confirm) && ++lost === 1
      ? Promise.reject(new Error('gone'))
      : evalsha(sha, ...args)) as never;
  expect(await campaign.settle()).toEqual({ settled: 0, pending: 5, failed: 0 });
  expect(told().filter((type) => type === 'settled')).toEqual([]);
  expect(told().filter((type) => type === 'fault')).toHaveLength(5);
  await makeDue(redis);
  expect(await campaign.settle()).toEqual({ settled: 5, pending: 0, failed: 0 });
});

test('one pass tries each reservation once, even if it is due again before the pass ends', async () => {
  let saves = 0;
  const due: { redis?: ReturnType<typeof mockRedis> } = {};
  class Silent extends MemoryPersistence {
    override async save(issuances: readonly Issuance[]) {
      await makeDue(due.redis!);
      if (++saves > 8) return super.save(issuances);
      throw new Error('no answer');
    }
  }
  const { redis, campaign } = await accepted(new Silent(), { maxBatch: 1 });
  due.redis = redis;
  await campaign.issue({ userId: 'kim' });
  await campaign.issue({ userId: 'lee' });
  await campaign.settle();
  // Two for each, and two for the one that is met again.
  expect(saves).toBe(6);
});

test('observers of a settled batch run in the async context of their settle()', async () => {
  const calls = new AsyncLocalStorage<string>();
  const seen: string[] = [];
  const redis = mockRedis();
  const isClaimed = async () => Number(await redis.zscore(campaignKeys('coupon', 'other').leases, '1:kim')) > 1e11;
  let saves = 0;
  class Slow extends MemoryPersistence {
    override async save(issuances: readonly Issuance[]) {
      // The other one waits for this one, which sends it on.
      while (++saves === 1 && !(await isClaimed())) saves = 0;
      for (let turn = 0; turn < 20; turn++) await setImmediate();
      return super.save(issuances);
    }
  }
  const onEvent = (event: CouponEvent) => {
    if (event.type === 'settled') seen.push(`${event.campaignId} in ${calls.getStore()}`);
  };
  const issuer = new CouponIssuer({ redis, persistence: new Slow(), onEvent, maxInFlight: 1 });
  const settles: (() => Promise<unknown>)[] = [];
  for (const id of ['launch', 'other']) {
    await issuer.campaign(id).open(BEHIND);
    await issuer.campaign(id).issue({ userId: 'kim' });
    settles.push(() => calls.run(id, () => issuer.campaign(id).settle()));
  }
  await Promise.all(settles.map((settle) => settle()));
  expect(seen).toEqual(['launch in launch', 'other in other']);
});

const QUEUED = { stock: { kind: 'counted', total: 9, generateCodes: true }, admission: 'queued', perUser: 2 } as const;

test('what is admitted comes whole, whatever its users and data are', async () => {
  const persistence = new MemoryPersistence();
  const redis = mockRedis();
  const campaign = new CouponIssuer({ redis, persistence }).campaign('launch');
  await campaign.open(QUEUED);
  const data = [undefined, { shop: 'x\ny' }, undefined, { n: 1 }, undefined];
  for (const [i, userId] of USERS.entries()) await campaign.join({ userId, ...(data[i] && { data: data[i] }) });
  expect(await campaign.admit({ count: 9 })).toMatchObject({ admitted: 5, issued: 5 });
  const rows = await persistence.list('launch', { afterSerial: 0, limit: 10 });
  expect(rows.map(({ userId, grant, serial, data: given }) => [userId, grant, serial, given])).toEqual(
    USERS.map((userId, i) => [userId, 1, i + 1, data[i]]),
  );
  for (const { userId, code } of rows) {
    expect((await redis.hget(KEYS.grants, `1:${userId}`))!.split(':').at(-1)).toBe(code);
  }
});

test('without a database they are issued at once', async () => {
  const events: CouponEvent[] = [];
  const redis = mockRedis();
  const evalsha = redis.evalsha.bind(redis) as (...args: unknown[]) => Promise<unknown>;
  const sent: unknown[] = [];
  redis.evalsha = ((...args: unknown[]) => {
    sent.push(args[0]);
    return evalsha(...args);
  }) as never;
  const issuer = new CouponIssuer({ redis, onEvent: (event) => void events.push(event) });
  const campaign = issuer.campaign('launch');
  await campaign.open(QUEUED);
  for (const userId of USERS) await campaign.join({ userId });
  expect(await campaign.admit({ count: 9 })).toMatchObject({ admitted: 5, issued: 5 });
  expect(events.filter(({ type }) => type === 'issued')).toHaveLength(5);
  expect(sent).not.toContain(shaOf(scripts.confirm));
  expect(await campaign.inspect()).toMatchObject({ issued: 5, reserved: 0 });
});

test('a call that knows no codes admits nobody to a campaign that generates them', async () => {
  const redis = mockRedis();
  const campaign = new CouponIssuer({ redis, persistence: new MemoryPersistence() }).campaign('launch');
  await campaign.open(QUEUED);
  await campaign.join({ userId: 'kim' });
  const epoch = (await redis.hget(KEYS.campaign, 'epoch'))!;
  const args = { epoch, fence: '0', sender: 'old', call: '1', perUser: '2', limit: '1', paced: '', codes: '' };
  const reply = await new ScriptRunner(redis).run(scripts.admitLine, { keys: KEYS, args }, 10_000);
  expect(reply).toEqual(['no_code']);
});
