import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  CouponIssuer,
  type CouponIssuerOptions,
  type Issuance,
  MemoryPersistence,
  type RebuildOptions,
  type RedisClient,
} from '../../src/index.js';
import { scripts } from '../../src/redis/scripts.js';
import { expireLeases } from '../support/checks/invariants.js';
import { loadScripts, withEach } from '../support/scenes/campaigns.js';
import { type NamedDefinition, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';
import { shaOf } from '../support/servers/sent.js';

/** Which codes of a pool come out again after rebuilds that stop, repeat, or take another list or another stock. */
const ID = 'codes';
const POOL: NamedDefinition = { id: ID, stock: { kind: 'codes' } };
const COUNTED: NamedDefinition = { id: ID, stock: { kind: 'counted', total: 9 } };
const LIST = { codes: ['A', 'B', 'C'] };
let server: RedisServer;
let redis: Redis;
let persistence: MemoryPersistence;
let recalled: string[];
let delivered: string[];

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
  await loadScripts(redis);
});
afterAll(() => server.stop());
beforeEach(async () => {
  await redis.flushall();
  persistence = new MemoryPersistence();
  [recalled, delivered] = [[], []];
});

const hooks = {
  deliver: ({ userId, code }: Issuance) => void delivered.push(`${userId} ${code}`),
  recall: ({ userId, code }: Issuance) => void recalled.push(`${userId} ${code}`),
};
const issuerWith = (options: Partial<CouponIssuerOptions> = {}) =>
  new CouponIssuer({ redis, persistence, ...hooks, ...options });
/** Delivers, and dies before it saves. */
const dying = () => {
  const save = async () => {
    throw new Error('died');
  };
  return issuerWith({ persistence: { save, list: persistence.list.bind(persistence) } });
};
const rowOf = (userId: string, serial: number, code: string, id = `${userId}${serial}`.padEnd(22, 'a')): Issuance => ({
  ...{ id, campaignId: ID, userId, grant: 1, serial, code },
  ...{ issuedAt: new Date(1), epoch: '1-x', state: 'issued' },
});
const key = (name: string) => `{coupon:${ID}}:${name}`;
const pool = async () => (await redis.lrange(key('pool'), 0, -1)).map((unit) => unit.split(':')[1]);
const run = (of: NamedDefinition, options?: RebuildOptions, client: RedisClient = redis) =>
  rebuildNamed(issuerWith({ redis: client }), of, options);

type Script = Parameters<typeof shaOf>[0];
/** Ends before it loads a code, or before its last step. */
const stopped = (of: NamedDefinition, options: RebuildOptions, before: Script = scripts.rebuildCodes) =>
  expect(run(of, options, unsent(before))).rejects.toMatchObject({ code: 'REDIS' });
const unsent = (script: Script): RedisClient =>
  withEach(redis, async (sha1, send) => {
    if (sha1 === shaOf(script)) throw new Error('Connection is closed.');
    return send();
  });

/** A delivered promise of ann to the first unit, A. */
async function promised(of = POOL): Promise<Issuance> {
  const issuer = dying();
  await openNamed(issuer, of);
  if (of.stock.kind === 'codes') await issuer.campaign(ID).loadCodes(LIST.codes);
  const answer = await issuer.campaign(ID).issue({ userId: 'ann' });
  if (answer.status !== 'accepted') throw new Error(answer.status);
  return answer.issuance;
}

/** The next user who asks, and the rest of the stock. */
async function expectKeptBack(code: string): Promise<void> {
  expect(await pool()).not.toContain(code);
  await expireLeases(redis, ID);
  await issuerWith().campaign(ID).settle();
  await issuerWith().campaign(ID).issue({ userId: 'bob' });
  expect(delivered.filter((one) => one.endsWith(` ${code}`))).toEqual([`ann ${code}`]);
}

describe('a code that was delivered, and whose user has another row', () => {
  test.each([
    ['the reply of its last step is lost', scripts.finishRebuild],
    ['its last look at the campaign fails', scripts.inspect],
  ])('goes to nobody else where a rebuild ended, %s, and it is run again', async (_, script) => {
    await promised();
    await persistence.save([rowOf('ann', 2, 'B')]);
    const client = withEach(redis, async (sha1, send) => {
      const reply = await send();
      const hasEnded = (await redis.hget(key('campaign'), 'verified')) === '1' && recalled.length > 0;
      if (sha1 === shaOf(script) && hasEnded) throw new Error('Connection is closed.');
      return reply;
    });
    await expect(run(POOL, LIST, client)).rejects.toMatchObject({ code: 'REDIS' });
    expect([recalled, await redis.hexists(key('campaign'), 'building')]).toEqual([['ann A'], 0]);
    const { campaign } = await run(POOL, LIST);
    expect(campaign).toMatchObject({ total: 3, issued: 1, withdrawn: 1, available: 1, codesRetired: 0 });
    await expectKeptBack('A');
  });

  const GENERATED: NamedDefinition = { id: ID, stock: { kind: 'counted', total: 9, generateCodes: true } };
  test.each([
    ['counted stock', COUNTED, true],
    ['counted stock', COUNTED, false],
    ['stock with generated codes', GENERATED, true],
    ['stock with generated codes', GENERATED, false],
  ])('goes to nobody else where a rebuild took the pool for %s (%#)', async (_, other, ends) => {
    await promised();
    await persistence.save([rowOf('ann', 2, 'B')]);
    if (ends) expect((await run(other, { paused: true })).campaign.withdrawn).toBe(0);
    else await stopped(other, {}, scripts.finishRebuild);
    await run(POOL, LIST);
    await expectKeptBack('A');
  });

  test.each([false, true])('is counted once, after a run that stopped: %s, where a row has it', async (stops) => {
    await promised();
    await persistence.save([rowOf('stranger', 1, 'A'), rowOf('ann', 2, 'B')]);
    if (stops) await stopped(POOL, LIST, scripts.finishRebuild);
    const { campaign } = await run(POOL, LIST);
    expect(await pool()).toEqual(['C']);
    expect(campaign).toMatchObject({ total: 3, issued: 2, withdrawn: 0, available: 1 });
  });

  test('is not recalled where its own row has it with another serial', async () => {
    const { id } = await promised();
    await persistence.save([rowOf('ann', 2, 'A', id)]);
    await run(POOL, LIST);
    expect(recalled).toEqual([]);
  });
});

describe('a code that was delivered, where the row of its unit has another code', () => {
  const OTHER_HISTORIES = [
    ['the same request', true],
    ['another request of its user', false],
  ] as const;

  test.each(OTHER_HISTORIES)('is recalled, and goes to nobody else, with the row of %s', async (_, isSame) => {
    const { id } = await promised();
    await persistence.save([rowOf('ann', 1, 'X', isSame ? id : undefined)]);
    await stopped(POOL, LIST, scripts.finishRebuild);
    await run(POOL, LIST);
    expect(recalled).toEqual(['ann A']);
    await expectKeptBack('A');
  });

  test.each(OTHER_HISTORIES)('is recalled if it was generated, with the row of %s', async (_, isSame) => {
    const generated: NamedDefinition = { id: ID, stock: { kind: 'counted', total: 9, generateCodes: true } };
    const { id } = await promised(generated);
    await persistence.save([rowOf('ann', 1, 'OTHER', isSame ? id : undefined)]);
    await run(generated);
    expect(recalled).toEqual(delivered);
  });

  test.each(['issued', 'revoked'] as const)('is recalled by settle as well, with a row that is %s', async (state) => {
    const { id } = await promised();
    const row = rowOf('ann', 1, 'X', id);
    await persistence.save([row]);
    if (state === 'revoked') {
      // By a process with another Redis, so that this one has not heard of it.
      const elsewhere = issuerWith({ prefix: 'elsewhere' });
      await rebuildNamed(elsewhere, POOL, LIST);
      await elsewhere.campaign(ID).revoke({ code: 'X', revocationId: 'mistake' });
    }
    await expireLeases(redis, ID);
    await issuerWith().campaign(ID).settle();
    expect(recalled).toEqual(['ann A']);
  });
});

describe.each([false, true])('a revoked coupon (its user may have another one: %s)', (again) => {
  beforeEach(async () => {
    const issuer = issuerWith();
    await openNamed(issuer, POOL);
    await issuer.campaign(ID).loadCodes(LIST.codes);
    await issuer.campaign(ID).issue({ userId: 'ann' });
    await issuer.campaign(ID).revoke({ code: 'A', revocationId: 'mistake', again });
  });

  test('is no withdrawn code where its row is there', async () => {
    const { campaign } = await run(POOL, LIST);
    const out = again ? { issued: 0, withdrawn: 1 } : { issued: 1, withdrawn: 0 };
    expect(campaign).toMatchObject({ total: 3, available: 2, ...out });
    expect((await redis.hkeys(key('campaign'))).filter((name) => name.startsWith('dropped:'))).toEqual([]);
  });

  test.each([
    ['stops before its last step', POOL, scripts.finishRebuild],
    ['stops, and another definition follows', { ...POOL, perUser: 2 }, scripts.rebuildCodes],
    ['takes the pool for counted stock', COUNTED, null],
  ])('goes to nobody else with its code where its row is lost, and a rebuild %s', async (_, other, stop) => {
    // A backup of before is put back.
    persistence = new MemoryPersistence();
    if (stop) await stopped(POOL, LIST, stop);
    else await run(other, { paused: true });
    const { campaign } = await run(other === COUNTED ? POOL : other, LIST);
    expect(campaign).toMatchObject({ total: 3, issued: 0, withdrawn: 1, available: 2 });
    await expectKeptBack('A');
  });
});

test('a rebuild that takes a pool for counted stock leaves no key aside, and a purge leaves none at all', async () => {
  const issuer = issuerWith();
  await openNamed(issuer, POOL);
  await issuer.campaign(ID).loadCodes(LIST.codes);
  await run(COUNTED);
  expect(await redis.exists(key('known'), key('old'), key('kept'))).toBe(0);
  const handle = issuerWith().campaign(ID);
  await handle.closeForGood();
  await handle.purge();
  expect(await redis.keys(`{coupon:${ID}}*`)).toEqual([]);
});

test('codes of a longer list are not retired by a run that stopped before its last step', async () => {
  const issuer = issuerWith();
  await openNamed(issuer, POOL);
  await issuer.campaign(ID).loadCodes(LIST.codes);
  await stopped(POOL, { codes: [...LIST.codes, 'N1', 'N2'] }, scripts.finishRebuild);
  const { campaign } = await run(POOL, LIST);
  expect(campaign).toMatchObject({ total: 3, codesRetired: 0 });
  await issuerWith().campaign(ID).loadCodes(['N1', 'N2']);
  expect(await pool()).toEqual([...LIST.codes, 'N1', 'N2']);
});
