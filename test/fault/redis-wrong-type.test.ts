import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CouponIssuer, CouponIssuerError } from '../../src/index.js';
import { type Book, memoryBook } from '../support/checks/books.js';
import { printFigures } from '../support/checks/figures.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { dump } from '../support/scenes/campaigns.js';
import { openNamed, quarantinedOf } from '../support/scenes/named.js';
import { RedisServer } from '../support/servers/redis-server.js';

const ID = 'typed';
const TOTAL = 6;
const DEFINITIONS = {
  counted: { id: ID, stock: { kind: 'counted', total: TOTAL } },
  codes: { id: ID, stock: { kind: 'codes' } },
} as const;

let server: RedisServer;
let redis: Redis;
let requests = 0;
let broken = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(async () => {
  await server.stop();
  const injected = { 'keys of a wrong type': broken };
  printFigures({ fault: 'A key of a wrong type', requests, injected, violations: 0, outageSeconds: null });
});

/** A campaign with units issued, reserved, given back and left. */
async function openedWith(kind: keyof typeof DEFINITIONS, book: Book): Promise<CouponIssuer> {
  await redis.flushall();
  let lost = false;
  const save: Book['save'] = (issuances, options) => {
    if (lost) throw new Error('the connection is gone');
    return book.save(issuances, options);
  };
  const issuer = new CouponIssuer({ redis, persistence: { ...book, save } });
  await openNamed(issuer, DEFINITIONS[kind]);
  if (kind === 'codes') await issuer.campaign(ID).loadCodes(['A', 'B', 'C', 'D', 'E', 'F']);
  await issuer.campaign(ID).issue({ userId: 'issued' });
  lost = true;
  expect(await issuer.campaign(ID).issue({ userId: 'reserved' })).toMatchObject({ status: 'accepted' });
  lost = false;
  await issuer.idle();
  await expireLeases(redis, ID);
  return issuer;
}

const acts: Record<string, (issuer: CouponIssuer, kind: keyof typeof DEFINITIONS) => Promise<unknown>> = {
  issue: (issuer) => issuer.campaign(ID).issue({ userId: 'new' }),
  status: (issuer) => issuer.campaign(ID).userStatus({ userId: 'issued' }),
  inspect: (issuer) => issuer.campaign(ID).inspect(),
  settle: (issuer) => issuer.campaign(ID).settle(),
  listQuarantined: (issuer) => quarantinedOf(issuer.campaign(ID)),
  loadCodes: (issuer) => issuer.campaign(ID).loadCodes(['G']),
  replaceCode: (issuer) => issuer.campaign(ID).replaceCode({ code: 'F', replacement: 'H' }),
  openCampaign: (issuer, kind) => openNamed(issuer, DEFINITIONS[kind]),
  pause: (issuer) => issuer.campaign(ID).pause(),
  resume: (issuer) => issuer.campaign(ID).resume(),
};

/** What must refuse while a key is broken; the others may not need it. */
const REFUSE: Record<string, string[]> = {
  campaign: Object.keys(acts),
  grants: ['issue', 'status', 'settle'],
  senders: ['issue', 'settle'],
  leases: ['issue', 'settle'],
  returned: ['issue', 'settle'],
  pool: ['issue', 'settle'],
  codes: ['loadCodes', 'replaceCode'],
};

/** Breaks a key; the returned function mends it. */
async function broke(name: string): Promise<() => Promise<void>> {
  const key = `{coupon:${ID}}:${name}`;
  const before = (await redis.exists(key)) ? await redis.dumpBuffer(key) : null;
  await redis.del(key);
  await redis.set(key, 'not what it should be');
  broken++;
  return async () => {
    await redis.del(key);
    if (before) await redis.restore(key, 0, before);
  };
}

/** Whether an act was refused; then it wrote nothing. */
async function isRefused(act: string, run: () => Promise<unknown>): Promise<boolean> {
  const before = await dump(redis);
  requests++;
  const outcome = await run().catch((error: unknown) => error);
  const { status, ready } = (outcome ?? {}) as { status?: string; ready?: boolean };
  if (outcome instanceof Error) expect(outcome, act).toBeInstanceOf(CouponIssuerError);
  else if (status !== 'not_ready' && ready !== false) return false;
  expect(await dump(redis), act).toEqual(before);
  return true;
}

describe.each(['counted', 'codes'] as const)('in a campaign of %s', (kind) => {
  test.each(Object.keys(REFUSE))(
    'a key %s of a wrong type is refused by a typed error and nothing is written; once mended, all goes on',
    async (name) => {
      const book = memoryBook();
      const issuer = await openedWith(kind, book);
      const mend = await broke(name);
      for (const [act, run] of Object.entries(acts)) {
        const refused = await isRefused(act, () => run(issuer, kind));
        if (REFUSE[name]!.includes(act)) expect(refused, act).toBe(true);
      }
      await mend();

      await expireLeases(redis, ID);
      await issuer.campaign(ID).settle();
      for (let i = 0; i < TOTAL + 2; i++) await issuer.campaign(ID).issue({ userId: `late-${i}` });
      await issuer.idle();
      const rows = await book.rows(ID);
      expect(rows.length).toBe((await issuer.campaign(ID).inspect()).total);
      await checkInvariants({ redis, campaignId: ID, rows, settled: true });
    },
  );
});
