import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type CouponEvent,
  CouponIssuer,
  type Issuance,
  type PersistenceAdapter,
  type SaveVerdict,
} from '../../src/index.js';
import { checkInvariants, expireLeases } from '../support/checks/invariants.js';
import { ScriptedPersistence } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';

let server: RedisServer;
let redis: Redis;
let campaigns = 0;

beforeAll(async () => {
  server = await RedisServer.start();
  redis = server.client();
});
afterAll(() => server.stop());

const OTHER = 'y'.repeat(22);

test.each<[string, Partial<Issuance>]>([
  ['serial 0', { id: OTHER, serial: 0 }],
  ['a serial below 0', { id: OTHER, serial: -5 }],
  ['grant 0', { id: OTHER, grant: 0 }],
  ['a grant beyond perUser', { grant: 2 }],
  ['another user', { id: OTHER, userId: 'mallory' }],
  ['another campaign', { id: OTHER, campaignId: 'another' }],
  ['a code of 10,000 characters', { id: OTHER, code: 'x'.repeat(10_000) }],
])(
  'an adapter that names a row of %s as standing in the way changes nothing in Redis, and settle issues',
  async (_, change) => {
    const campaignId = `untrue-${++campaigns}`;
    const persistence = new ScriptedPersistence();
    const lie = async (issuances: readonly Issuance[]): Promise<SaveVerdict[]> =>
      issuances.map((one) => ({ verdict: 'user_conflict', existing: { ...one, ...change } }));
    persistence.next(lie, lie);
    const issuer = new CouponIssuer({ redis, persistence });
    await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 20 } });
    const users = ['ann', 'bob', 'cho'];
    const told = await Promise.all(users.map((userId) => issuer.campaign(campaignId).issue({ userId })));
    expect(told.map(({ status }) => status)).toEqual(['accepted', 'accepted', 'accepted']);
    await issuer.idle();
    expect(await issuer.campaign(campaignId).inspect()).toMatchObject({
      available: 17,
      reserved: 3,
      issued: 0,
      withdrawn: 0,
    });
    await expireLeases(redis, campaignId);
    expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 3, pending: 0, failed: 0 });
    const rows = await persistence.rows(campaignId);
    expect(rows).toHaveLength(3);
    await checkInvariants({ redis, campaignId, rows, settled: true });
  },
);

test.each<[string, (issuances: readonly Issuance[]) => unknown]>([
  ['too few rows', (issuances) => issuances.slice(1)],
  ['no list', () => null],
  ['a row of another id', (issuances) => issuances.map((one) => ({ ...one, id: OTHER }))],
  ['a row of another user', (issuances) => issuances.map((one) => ({ ...one, userId: 'mallory' }))],
  ['a row without a date', (issuances) => issuances.map((one) => ({ ...one, issuedAt: null }))],
])('a find that answers %s is a fault, and what it was asked about is delivered again', async (_, answer) => {
  const campaignId = `untrue-${++campaigns}`;
  const persistence = new ScriptedPersistence();
  const gone = () => Promise.reject(new Error('gone'));
  persistence.next(gone, gone);
  const delivered: string[] = [];
  const events: CouponEvent[] = [];
  const asking: PersistenceAdapter = {
    save: (issuances) => persistence.save(issuances),
    find: async (issuances) => answer(issuances) as Issuance[],
  };
  const issuer = new CouponIssuer({
    redis,
    persistence: asking,
    deliver: ({ userId }) => void delivered.push(userId),
    onEvent: (event) => events.push(event),
  });
  await issuer.campaign(campaignId).open({ stock: { kind: 'counted', total: 5 } });
  expect(await issuer.campaign(campaignId).issue({ userId: 'ann' })).toMatchObject({ status: 'accepted' });
  await expireLeases(redis, campaignId);
  expect(await issuer.campaign(campaignId).settle()).toEqual({ settled: 1, pending: 0, failed: 0 });
  expect(delivered).toEqual(['ann', 'ann']);
  expect(events.flatMap((event) => (event.type === 'fault' ? [event.during] : []))).toEqual(['save', 'save', 'find']);
  await checkInvariants({ redis, campaignId, rows: await persistence.rows(campaignId), settled: true });
});
