import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CouponIssuer, type IssueResult, MemoryPersistence } from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { checkCounters } from '../support/checks/invariants.js';
import { loadScripts, withEach } from '../support/scenes/campaigns.js';
import { issueNamed, type NamedDefinition, openNamed, quarantinedOf, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

const COUNTED: NamedDefinition = { id: 'launch', stock: { kind: 'counted', total: 5 } };
const POOL: NamedDefinition = { id: 'pool', stock: { kind: 'codes' } };
const CODES = ['AAA', 'BBB', 'CCC'];
const DEFINITIONS = [COUNTED, POOL];

let server: RedisServer;
let redis: Redis;
let persistence: MemoryPersistence;
let issuer: CouponIssuer;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  await loadScripts(redis);
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new MemoryPersistence();
  issuer = new CouponIssuer({ redis, persistence });
  await openNamed(issuer, COUNTED);
  await openNamed(issuer, POOL);
  await issuer.campaign('pool').loadCodes(CODES);
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

const unit = (result: IssueResult) => {
  if (result.status !== 'issued') throw new Error(result.status);
  const { id, serial, code, userId, grant } = result.issuance;
  return { id, serial, code, userId, grant };
};

const issueTo = async (userId: string, by = issuer) => {
  for (const { id } of DEFINITIONS) {
    expect(await by.campaign(id).issue({ userId })).toMatchObject({ status: 'issued' });
  }
  await by.idle();
};

const READS = {
  status: (id: string) => issuer.campaign(id).userStatus({ userId: 'ann' }),
  inspect: (id: string) => issuer.campaign(id).inspect(),
  listQuarantined: (id: string) => quarantinedOf(issuer.campaign(id)),
  settle: (id: string) => issuer.campaign(id).settle(),
  reconcile: (id: string) => issuer.campaign(id).reconcile(),
  openCampaign: (id: string) => openNamed(issuer, DEFINITIONS.find((one) => one.id === id)!),
};
const CHANGES = {
  restock: () => issuer.campaign('launch').restock({ add: 5, requestId: 'more' }),
  replaceCode: () => issuer.campaign('pool').replaceCode({ code: 'CCC', replacement: 'DDD' }),
  loadCodes: () => issuer.campaign('pool').loadCodes(['EEE']),
  loads: () => issuer.campaign('pool').loads().next(),
};

describe.each(['before a rebuild', 'before the last coupon'])('after Redis went back to %s', (to) => {
  beforeEach(async () => {
    let back = await copied();
    if (to === 'before a rebuild') {
      await rebuildNamed(issuer, COUNTED);
      await rebuildNamed(issuer, POOL, { codes: CODES });
    } else back = await copied();
    await issueTo('ann');
    await back();
    // Others go on there, so that only its generation tells this state from the newer one.
    if (to === 'before a rebuild') await issueTo('zoe', new CouponIssuer({ redis, persistence }));
    for (const { id } of DEFINITIONS) {
      expect(await issuer.campaign(id).issue({ userId: 'bob' })).toEqual({
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
    await fresh.campaign('launch').pause();
    await fresh.campaign('launch').resume();
    await fresh.campaign('launch').closeForGood();
    expect(await fresh.campaign('launch').inspect()).toMatchObject({ state: 'closed' });
  });

  test('the health of a worker says that there is nothing to read', async () => {
    const worker = issuer.startWorker({ campaigns: ['launch'], intervalMs: 60_000 });
    await new Promise((resolve) => setImmediate(resolve));
    const { campaigns } = await worker.health();
    await worker.stop();
    expect(campaigns[0]).toMatchObject({ campaignId: 'launch', backlog: null, quarantined: null });
  });

  test('a rebuild ends the refusal, and the user who was told issued is told so again', async () => {
    await rebuildNamed(issuer, COUNTED);
    expect(await READS.status('launch')).toMatchObject({ status: 'issued', issuances: [{ userId: 'ann' }] });
  });
});

describe.each([
  ['a number', 'launch', 400],
  ['a pool', 'pool', 400],
] as const)('a process that did not see that Redis went back, with %s of units,', (_, id, count) => {
  const userNames = (name: string, many: number) => Array.from({ length: many }, (_, i) => `${name}-${i}`);
  const rows = () => persistence.list(id, { afterSerial: 0, limit: 10_000 });

  test('writes each row that it meets back, and the units add up all the while', async () => {
    await issuer.campaign('launch').restock({ add: count - 5, requestId: 'many' });
    await issuer.campaign('pool').loadCodes(Array.from({ length: count - 3 }, (_, i) => `code-${i}`));
    const ask = (by: CouponIssuer, userIds: readonly string[]) =>
      Promise.all(userIds.map((userId) => by.campaign(id).issue({ userId })));
    await ask(issuer, userNames('before', 50));
    await issuer.idle();
    const back = await copied();
    const lost = userNames('lost', 150);
    await ask(issuer, lost);
    await issuer.idle();
    await back();

    const fresh = new CouponIssuer({ redis, persistence });
    const told: string[] = [];
    for (let first = 0; first < 150; first += 30) {
      // New users, and those who have their coupon, the last ones first.
      const some = [...userNames(`new-${first}`, 15), ...lost.slice(120 - first, 150 - first)];
      for (const { status } of await ask(fresh, some)) told.push(status);
      await fresh.idle();
      await checkCounters({ redis, campaignId: id });
      const { available, reserved, issued, withdrawn, total } = await fresh.campaign(id).inspect();
      expect(available! + reserved + issued + withdrawn).toBe(total);
    }
    expect(told.filter((status) => status === 'already_issued')).toHaveLength(150);
    const sold = await ask(fresh, userNames('last', count));
    await fresh.idle();
    expect(sold.some(({ status }) => status === 'sold_out')).toBe(true);
    await checkCounters({ redis, campaignId: id });
    expect((await rows()).length).toBeGreaterThan(count - 40);
    expect(await fresh.campaign(id).inspect()).toMatchObject({
      available: 0,
      reserved: 0,
      issued: (await rows()).length,
    });
  });
});

describe.each(DEFINITIONS)('while $id is rebuilt, a repeat of what was issued', (definition) => {
  const { id } = definition;
  const request = { campaignId: id, userId: 'ann', requestId: 'click-1' };
  const codes = id === 'pool' ? { codes: CODES } : {};
  const STEPS = {
    counted: ['keepPromised', 'rebuildRows', 'finishRebuild'],
    codes: ['rebuildCodes', 'keepKnown'],
  } as const;
  const steps = new Set<string>(
    [...STEPS.counted, ...(id === 'pool' ? STEPS.codes : [])].map((name) => shaOf(scripts[name])),
  );

  /** Rebuilds, and does this before and after each step. */
  const rebuildAround = (around: () => Promise<void>) => {
    const client = withEach(redis, async (sha1, send) => {
      if (steps.has(sha1)) await around();
      const reply = await send();
      if (steps.has(sha1)) await around();
      return reply;
    });
    return rebuildNamed(new CouponIssuer({ redis: client, persistence }), definition, codes);
  };

  test('is told issued with its code at each step', async () => {
    const first = await issueNamed(issuer, request);
    await issueTo('bob');
    await issuer.idle();
    const told: unknown[] = [];
    await rebuildAround(async () => {
      const from = [issuer, new CouponIssuer({ redis, persistence })];
      for (const by of from) told.push(await issueNamed(by, request));
      expect(await issueNamed(from[1]!, { ...request, requestId: 'click-2' })).not.toMatchObject({ status: 'issued' });
    });
    expect(told.length).toBeGreaterThanOrEqual(id === 'pool' ? 20 : 12);
    for (const one of told) expect(one).toMatchObject({ ...first, issuance: { ...unit(first) }, replayed: true });
    if (id === 'pool') expect(unit(first).code).toBe('AAA');
  });

  test('is told not_ready where the own rule refuses its user by now, and is thrown nothing', async () => {
    await issueNamed(issuer, request);
    await issuer.idle();
    const eligible = () => ({ reason: 'under age' });
    const told: unknown[] = [];
    await rebuildAround(async () => {
      told.push(await issueNamed(new CouponIssuer({ redis, persistence, eligible }), request));
    });
    for (const one of told.slice(0, -1)) expect(one).toEqual({ status: 'not_ready', reason: 'rebuilding' });
    expect(told.at(-1)).toMatchObject({ status: 'issued', replayed: true });
  });

  test('is told issued also by a rebuild of what went back, where that knew it', async () => {
    const first = await issueNamed(issuer, request);
    await issuer.idle();
    const back = await copied();
    await issueTo('bob');
    await back();
    const fresh = new CouponIssuer({ redis, persistence });
    const told: unknown[] = [];
    await rebuildAround(async () => {
      told.push(await issueNamed(fresh, request));
    });
    for (const one of told) expect(one).toMatchObject({ status: 'issued', issuance: unit(first) });
  });

  test('is told issued no longer once its unit is found to be the row of another user', async () => {
    await issueNamed(issuer, request);
    await issuer.idle();
    const [row] = await persistence.list(id, { afterSerial: 0, limit: 1 });
    // The database lost the row, and gave the unit to somebody else.
    persistence = new MemoryPersistence();
    await persistence.save([{ ...row!, id: 'another-row'.padEnd(22, '0'), userId: 'zoe' }]);
    const operator = new CouponIssuer({ redis, persistence });
    await rebuildNamed(operator, definition, codes);
    const told: unknown[] = [];
    await rebuildAround(async () => {
      told.push(await issueNamed(operator, request));
    });
    // It was promised another unit, which is saved only once the campaign serves.
    expect(told.length).toBeGreaterThan(4);
    for (const one of told.slice(0, -1)) expect(one).toMatchObject({ status: 'accepted', issuance: { code: null } });
    expect(told.at(-1)).toMatchObject({ status: 'issued', replayed: true });
  });
});

test('a unit that a row has and Redis still offers is not counted as available', async () => {
  await issuer.campaign('launch').restock({ add: 4_995, requestId: 'many' });
  const back = await copied();
  await issueTo('ann');
  const [row] = await persistence.list('launch', { afterSerial: 0, limit: 1 });
  // Far beyond the last serial that this Redis knows.
  persistence = new MemoryPersistence();
  await persistence.save([{ ...row!, serial: 4_000 }]);
  await back();
  const fresh = new CouponIssuer({ redis, persistence });
  expect(await fresh.campaign('launch').issue({ userId: 'ann' })).toMatchObject({ status: 'already_issued' });
  await fresh.idle();
  expect(await redis.hget('{coupon:launch}:campaign', 'withdrawn')).toBe('-1');
  expect(await fresh.campaign('launch').inspect()).toMatchObject({
    available: 4_999,
    reserved: 0,
    issued: 1,
    withdrawn: 0,
    total: 5_000,
  });
  expect((await fresh.campaign('launch').reconcile()).findings).toMatchObject([
    { kind: 'counter_wrong', counter: 'lastSerial' },
  ]);
});

test('a process that saw the last coupon may still pause, resume and close a campaign that went back', async () => {
  const back = await copied();
  await issueTo('ann');
  await back();
  await expect(issuer.campaign('launch').inspect()).rejects.toMatchObject({ reason: 'rolled_back' });
  await issuer.campaign('launch').pause();
  await issuer.campaign('launch').resume();
  await issuer.campaign('launch').closeForGood();
});

test('a state that lost a restock is refused by the process that made it', async () => {
  const back = await copied();
  expect(await CHANGES.restock()).toEqual({ total: 10, available: 10 });
  await back();
  const result = await issuer.campaign('launch').issue({ userId: 'ann' });
  expect(result).toEqual({ status: 'not_ready', reason: 'rolled_back' });
});

test('a process that knows an older epoch reads the newer one, and answers', async () => {
  const other = new CouponIssuer({ redis, persistence });
  await issueTo('ann', other);
  expect(await READS.status('launch')).toMatchObject({ status: 'issued' });
  await rebuildNamed(other, COUNTED);
  expect(await READS.status('launch')).toMatchObject({ status: 'issued', issuances: [{ userId: 'ann' }] });
  expect(await quarantinedOf(issuer.campaign('launch'))).toEqual([]);
});
