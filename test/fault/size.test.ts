import type { Redis } from 'ioredis';
import { beforeEach, expect, test } from 'vitest';
import { CouponIssuer, type CouponIssuerOptions, type Issuance, type PersistenceAdapter } from '../../src/index.js';
import { LIMIT, length } from '../support/checks/lengths.js';
import { own } from '../support/checks/own.js';
import { openNamed, rebuildNamed, replaceCodeNamed } from '../support/scenes/named.js';
import { client } from '../support/servers/fault-clients.js';
import { MeteredClient } from '../support/servers/metered-client.js';
import { RedisServer } from '../support/servers/redis-server.js';

const USERS = length(100_000, 1_000_000);
const AT_ONCE = 10_000;
/** What a call of a script may touch, whatever the size of its campaign: a chunk is at most 1,000 codes, a batch 500 users, a page 500 elements. */
const MOST_TOUCHED = 8_000;

let direct: Redis;
let redis: MeteredClient;

beforeEach(async () => {
  // As the guide to operation says for large campaigns: what expires is freed in the background.
  const server = await own(RedisServer.start(['--lazyfree-lazy-expire', 'yes']));
  direct = client(server.client());
  redis = new MeteredClient(direct);
});

/** Says that everything is saved, and keeps nothing. */
const obliging: PersistenceAdapter = { save: async (issuances) => issuances.map(() => ({ verdict: 'saved' })) };

const user = (i: number) => `user-${i}`;

/** Rows as a database has them after everybody got a coupon. */
const rows: Required<Pick<PersistenceAdapter, 'list'>> = {
  list: async (campaignId, { afterSerial, limit }) =>
    Array.from({ length: Math.max(0, Math.min(limit, USERS - afterSerial)) }, (_, i): Issuance => {
      const serial = afterSerial + 1 + i;
      const id = serial.toString(36).padStart(22, 'x');
      const [issuedAt, epoch] = [new Date(1.8e12 + serial), '1-before'];
      return { id, campaignId, userId: user(serial), grant: 1, serial, code: null, issuedAt, epoch, state: 'issued' };
    }),
};

const issuerWith = (options: Partial<CouponIssuerOptions> = {}) =>
  new CouponIssuer({ redis, maxQueued: 100_000, ...options });

async function issueToAll(issuer: CouponIssuer, campaignId: string): Promise<void> {
  for (let first = 1; first <= USERS; first += AT_ONCE) {
    const asks = Array.from({ length: AT_ONCE }, (_, i) =>
      issuer.campaign(campaignId).issue({ userId: user(first + i) }),
    );
    await Promise.all(asks);
  }
  await issuer.idle();
}

/** Bytes of all keys of a campaign per issuance that is settled. */
async function bytesEach(id: string): Promise<number> {
  const keys = await direct.keys(`{coupon:${id}}:*`);
  const sizes = await Promise.all(keys.map((key) => direct.memory('USAGE', key, 'SAMPLES', 0)));
  return sizes.reduce<number>((sum, size) => sum + Number(size), 0) / USERS;
}

/** Runs it from nothing, and prints and judges how much a call of each script touches. */
async function noneGrows(what: string, run: () => Promise<unknown>): Promise<void> {
  await run();
  const { most } = redis;
  const figures = most.map(({ script, touched, answered }) => `${script} ${touched} (${answered})`);
  process.stdout.write(
    `${what}, ${USERS} users, touched (answered) by one call of each script: ${figures.join(', ')}\n`,
  );
  expect(most.length).toBeGreaterThan(3);
  expect(most.filter(({ touched }) => touched > MOST_TOUCHED)).toEqual([]);
}

function print(what: string, bytes: number): void {
  process.stdout.write(`${what}: ${bytes.toFixed(1)} bytes for each of ${USERS} settled issuances\n`);
}

test(
  'a counted campaign: at most 150 bytes an issuance, and no call touches more than a batch from the first call to the purge',
  async () => {
    const id = 'counted';
    const definition = { id, stock: { kind: 'counted', total: USERS }, saveMode: 'write-behind' } as const;
    await noneGrows('counted', async () => {
      const issuer = issuerWith({ persistence: { ...obliging, list: async () => [] } });
      await openNamed(issuer, definition);
      await issueToAll(issuer, id);
      await rebuildNamed(issuer, definition);
      expect(await issuer.campaign(id).settle()).toMatchObject({ settled: USERS });
      const { findings, grants } = await issuerWith({ persistence: obliging }).campaign(id).reconcile();
      expect({ findings, grants }).toEqual({ findings: [], grants: USERS });
      const bytes = await bytesEach(id);
      print(id, bytes);
      expect(bytes).toBeLessThanOrEqual(150);
      await issuer.campaign(id).closeForGood({ retainMs: 86_400_000 });
      await issuer.campaign(id).purge();
      expect(await direct.keys('{coupon:*')).toEqual([]);
    });
  },
  LIMIT,
);

test(
  'a pool of codes: at most 220 bytes an issuance, and no call touches more than a batch from the first code to the purge',
  async () => {
    const id = 'codes';
    await noneGrows('codes', async () => {
      const issuer = issuerWith();
      await issuer.campaign(id).open({ stock: { kind: 'codes' } });
      await issuer.campaign(id).loadCodes(
        (function* () {
          for (let i = 0; i < USERS; i++) yield `CODE-${String(i).padStart(8, '0')}`;
        })(),
      );
      const change = { campaignId: id, code: 'CODE-00000000', replacement: 'CODE-FIRST-00' };
      expect(await replaceCodeNamed(issuer, change)).toEqual({ status: 'replaced' });
      await issueToAll(issuer, id);
      expect(await issuer.campaign(id).inspect()).toMatchObject({ issued: USERS, available: 0 });
      const bytes = await bytesEach(id);
      print(id, bytes);
      expect(bytes).toBeLessThanOrEqual(220);
      await issuer.campaign(id).closeForGood({ retainMs: 86_400_000 });
      await issuer.campaign(id).purge();
      expect(await direct.keys('{coupon:*')).toEqual([]);
    });
  },
  LIMIT,
);

test(
  'a rebuild from the rows of the database: no call touches more than a batch, and no byte more than before',
  async () => {
    const id = 'rebuilt';
    const definition = { id, stock: { kind: 'counted', total: USERS } } as const;
    await noneGrows('rebuilt', async () => {
      const issuer = issuerWith({ persistence: { ...obliging, ...rows } });
      expect(await rebuildNamed(issuer, definition)).toMatchObject({
        rows: USERS,
        campaign: { issued: USERS, available: 0 },
      });
      const report = await issuer.campaign(id).reconcile();
      expect(report.findings).toEqual([]);
      const bytes = await bytesEach(id);
      print(id, bytes);
      expect(bytes).toBeLessThanOrEqual(150);
      await issuer.campaign(id).closeForGood({ retainMs: 0 });
      expect(await direct.exists(`{coupon:${id}}:grants`)).toBe(0);
    });
  },
  LIMIT,
);
