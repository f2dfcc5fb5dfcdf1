import type { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type CouponEvent, CouponIssuer, type CouponIssuerOptions, type Issuance } from '../../src/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { answers, ScriptedPersistence } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';

const HOUR = 3_600_000;
let server: RedisServer;
let redis: Redis;
let persistence: ScriptedPersistence;
let campaignId = '';
let campaigns = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());
beforeEach(() => {
  persistence = new ScriptedPersistence();
  campaignId = `hook-objects-${++campaigns}`;
});

async function opened(options: Partial<CouponIssuerOptions>): Promise<CouponIssuer> {
  const issuer = new CouponIssuer({ redis, persistence, ...options });
  const validity = { forMs: HOUR };
  await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 5, generateCodes: true }, validity });
  return issuer;
}

/** What one call was told, what the row says, and what Redis says, of the moments and the code. */
async function threeSides(issuer: CouponIssuer) {
  const told = await issuer.campaign(campaignId).issue({ userId: 'ann' });
  await issuer.idle();
  const [row] = await persistence.rows(campaignId);
  const status = await issuer.campaign(campaignId).userStatus({ userId: 'ann' });
  const [known] = 'issuances' in status ? status.issuances : [];
  const issuance = 'issuance' in told ? told.issuance : undefined;
  return [issuance, row, known].map((one) => ({
    code: one?.code,
    at: one?.issuedAt.getTime(),
    lasts: one && (one.expiresAt?.getTime() ?? Number.NaN) - one.issuedAt.getTime(),
  }));
}

const moveDate = (issuance: Issuance) => void issuance.issuedAt.setTime(0);
const moveEnd = (issuance: Issuance) => void issuance.expiresAt!.setTime(0);

test('every object that a hook is given is frozen', async () => {
  const given = new Map<string, boolean>();
  const see = (hook: string, ...objects: unknown[]) => {
    for (const one of objects) given.set(hook, (given.get(hook) ?? true) && Object.isFrozen(one));
  };
  const issuer = await opened({
    eligible: (request) => {
      see('eligible', request);
      return true;
    },
    deliver: (issuance) => see('deliver', issuance),
    recall: (issuance) => see('recall', issuance),
    onEvent: (event: CouponEvent) => see('onEvent', event, 'issuance' in event ? event.issuance : event),
    persistence: {
      save: (issuances) => {
        see('save', ...issuances);
        return persistence.save(issuances);
      },
      find: async (issuances) => {
        see('find', ...issuances);
        return issuances.map(() => null);
      },
      look: (refs) => persistence.look(refs),
      change: (changes) => persistence.change(changes),
    },
  });
  const unknown = () => Promise.reject(new Error('gone'));
  persistence.next(answers({ verdict: 'serial_conflict' }), unknown, unknown);
  await issuer.campaign(campaignId).issue({ userId: 'ann' });
  await issuer.campaign(campaignId).issue({ userId: 'bob' });
  await expireLeases(redis, campaignId);
  await issuer.campaign(campaignId).settle();
  const hooks = ['eligible', 'deliver', 'onEvent', 'save', 'recall', 'find'];
  expect([...given].sort()).toEqual(hooks.sort().map((hook) => [hook, true]));
});

test.each([
  ['date', moveDate],
  ['end', moveEnd],
])('a delivery that moves the %s of what it is given moves neither the row nor the answer', async (_, deliver) => {
  const issuer = await opened({ deliver });
  const [told, row, known] = await threeSides(issuer);
  expect(told).toMatchObject({ lasts: HOUR });
  expect(told!.at).toBeGreaterThan(0);
  expect([row, known]).toEqual([told, told]);
  await checkInvariants({ redis, campaignId, rows: await persistence.rows(campaignId), settled: true });
});

test('a save that moves dates before it fails is given the right ones at the second attempt', async () => {
  const issuer = await opened({});
  persistence.next(async (issuances) => {
    issuances.forEach(moveDate);
    throw new Error('the connection was lost');
  });
  const [told, row, known] = await threeSides(issuer);
  expect(told!.at).toBeGreaterThan(0);
  expect([row, known]).toEqual([told, told]);
});

test('a delivery that writes into what it is given fails, and nothing else becomes of it', async () => {
  const events: CouponEvent[] = [];
  let masks = true;
  const deliver = (issuance: Issuance) => {
    if (masks) (issuance as { code: string }).code = '***';
  };
  const issuer = await opened({ deliver, onEvent: (event) => events.push(event) });
  expect(await issuer.campaign(campaignId).issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
  expect(events[0]).toMatchObject({ type: 'fault', during: 'deliver' });
  masks = false;
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  const [row] = await persistence.rows(campaignId);
  expect(await issuer.campaign(campaignId).userStatus({ userId: 'ann' })).toMatchObject({
    issuances: [{ code: row!.code }],
  });
});
