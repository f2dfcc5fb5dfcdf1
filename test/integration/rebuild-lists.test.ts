import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CouponIssuer, type Issuance, MemoryPersistence, type RebuildOptions } from '../../src/index.js';
import { checkInvariants } from '../support/checks/invariants.js';
import { type NamedDefinition, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ID = 'lists';
const CHUNK = 500;
const POOL: NamedDefinition = { id: ID, stock: { kind: 'codes' } };
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
});

const list = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}-${i + 1}`);
const pool = async () => (await redis.lrange(`{coupon:${ID}}:pool`, 0, -1)).map((unit) => unit.replace(/^\d+:/, ''));
const rows = () => persistence.list(ID, { afterSerial: 0, limit: 1_000_000 });
const rebuild = (options: RebuildOptions, definition = POOL) => rebuildNamed(issuer, definition, options);

/** Ends a rebuild at this report of its codes. */
function stoppedAt(nth: number): Pick<RebuildOptions, 'onProgress'> {
  let reports = 0;
  return {
    onProgress: ({ phase }) => {
      if (phase === 'codes' && ++reports === nth) throw new Error('stopped');
    },
  };
}

test.each([
  [
    'was refused a code of its second chunk',
    { codes: [...list('name', CHUNK + 100), 'Doe, John'] },
    'CAMPAIGN_CONFLICT',
  ],
  ['stopped behind its first chunk', { codes: list('name', 700), ...stoppedAt(1) }, undefined],
  ['stopped behind its last chunk', { codes: list('CODE', 300), ...stoppedAt(1) }, undefined],
  ['stopped among the codes that were known', { codes: list('CODE', 300), ...stoppedAt(2) }, undefined],
])('a rebuild after one that %s has the codes of its own list alone', async (_, first, code) => {
  const right = list('CODE', 700);
  await openNamed(issuer, POOL);
  await issuer.campaign(ID).loadCodes(right);
  for (const userId of ['ann', 'bob']) await issuer.campaign(ID).issue({ userId });
  await issuer.idle();
  const before = await pool();
  await expect(rebuild(first)).rejects.toMatchObject(code === undefined ? { message: 'stopped' } : { code });
  const { campaign } = await rebuild({ codes: right });
  expect(campaign).toMatchObject({ total: 700, available: 698, issued: 2, codesRetired: 0 });
  expect(await pool()).toEqual(before);
  await checkInvariants({ redis, campaignId: ID, rows: await rows(), settled: true });
});

test('those who lost their unit keep their order, also if the rebuild begins anew', async () => {
  const behind: NamedDefinition = { ...POOL, saveMode: 'write-behind' };
  await openNamed(issuer, behind);
  await issuer.campaign(ID).loadCodes(list('CODE', 16));
  // By their names the last ones came first.
  const names = list('user', 12).sort().reverse();
  for (const userId of names) await issuer.campaign(ID).issue({ userId });
  const strangers = names.map((_, i): Issuance => {
    const row = { campaignId: ID, userId: `stranger-${i}`, grant: 1, serial: i + 1, code: `CODE-${i + 1}` };
    return { ...row, id: String(i).padEnd(22, 'a'), issuedAt: new Date(1), epoch: '1-x', state: 'issued' };
  });
  await persistence.save(strangers);
  await expect(rebuild({ codes: ['A,'] }, behind)).rejects.toMatchObject({ code: 'CAMPAIGN_CONFLICT' });
  await expect(rebuild({ codes: ['A', 'B'], ...stoppedAt(1) }, behind)).rejects.toThrow('stopped');
  const { lost, campaign } = await rebuild({ codes: list('CODE', 16) }, behind);
  expect(lost.map(({ userId }) => userId)).toEqual(names.slice(4));
  expect(campaign).toMatchObject({ total: 16, issued: 12, reserved: 4, codesRetired: 0 });
  await issuer.campaign(ID).settle();
  await checkInvariants({ redis, campaignId: ID, rows: await rows(), settled: true });
});
