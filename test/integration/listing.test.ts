import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CouponIssuer, type Issuance, MemoryPersistence } from '../../src/index.js';
import { type NamedDefinition, openNamed, rebuildNamed } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ID = 'launch';
const DEFINITION: NamedDefinition = { id: ID, stock: { kind: 'counted', total: 5 } };
let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());

test.each<[string, (rows: readonly Issuance[]) => readonly Issuance[]]>([
  ['backwards', (rows) => [...rows].reverse()],
  ['twice', (rows) => rows.flatMap((row) => [row, row])],
  ['of another campaign', (rows) => rows.map((row) => ({ ...row, campaignId: 'another' }))],
  ['without their campaign', (rows) => rows.map((row) => ({ ...row, campaignId: undefined as never }))],
  ['from before the place they were asked after', (rows) => rows.map((row) => ({ ...row, serial: row.serial - 1 }))],
  ['with a grant of 0', (rows) => rows.map((row) => ({ ...row, grant: 0 }))],
  ['with a code that no campaign can have', (rows) => rows.map((row) => ({ ...row, code: 'x'.repeat(129) }))],
  [
    'in greater number than they were asked for',
    (rows) => Array.from({ length: 501 }, (_, i) => ({ ...rows[0]!, id: `row-${i}`, userId: `u${i}`, serial: i + 1 })),
  ],
])('rows that an adapter lists %s are not made a state of', async (_, disturb) => {
  await redis.flushall();
  const memory = new MemoryPersistence();
  const issuer = new CouponIssuer({ redis, persistence: memory });
  await openNamed(issuer, DEFINITION);
  for (const userId of ['ann', 'bob', 'cyd']) await issuer.campaign(ID).issue({ userId });
  await issuer.idle();
  const persistence = {
    save: (issuances: readonly Issuance[]) => memory.save(issuances),
    list: async (id: string, options: { afterSerial: number; limit: number }) =>
      disturb(await memory.list(id, options)),
  };
  const operator = new CouponIssuer({ redis, persistence });
  await expect(rebuildNamed(operator, DEFINITION)).rejects.toMatchObject({ code: 'HOOK' });
  expect(await issuer.campaign(ID).issue({ userId: 'dan' })).toEqual({ status: 'not_ready', reason: 'rebuilding' });
  expect(await rebuildNamed(issuer, DEFINITION)).toMatchObject({ rows: 3, campaign: { issued: 3, available: 2 } });
});
