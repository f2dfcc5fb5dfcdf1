import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Campaign, CouponIssuer, MemoryPersistence, NotSavedError } from '../../src/index.js';
import { campaignKeys } from '../../src/redis/keys.js';
import { ScriptRunner } from '../../src/redis/runner.js';
import { scripts } from '../../src/redis/scripts.js';
import { expireLeases } from '../support/checks/invariants.js';
import { ScriptedPersistence } from '../support/scenes/campaigns.js';
import { RedisServer } from '../support/servers/redis-server.js';

const TOTAL = 5;
const DEFINITION = { stock: { kind: 'counted', total: TOTAL, generateCodes: true } } as const;
const REPEATS = 6;

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.stop());

/** A campaign whose first coupon, of kim under the request id `first`, is revoked so that kim may ask again. */
async function scene(id: string, more: { saveMode?: 'write-behind'; admission?: 'queued' } = {}) {
  const delivered: number[] = [];
  const issuer = new CouponIssuer({
    redis: server.client(),
    persistence: new MemoryPersistence(),
    deliver: async ({ serial }) => void delivered.push(serial),
  });
  const launch = issuer.campaign(id);
  const definition = { ...DEFINITION, ...more };
  await launch.open(definition);
  await asks(launch, more.admission === 'queued', 'first');
  await issuer.idle();
  await launch.settle();
  const [coupon] = await issuer.coupons({ userId: 'kim' });
  const request = { userId: 'kim', id: coupon!.id, revocationId: 'R', again: true, unit: 'returned' } as const;
  expect(await launch.revoke(request)).toMatchObject({ status: 'taken_back', stock: 'done' });
  return { issuer, launch, delivered, definition };
}

async function asks(launch: Campaign, inLine: boolean, requestId: string): Promise<string> {
  const request = { userId: 'kim', requestId };
  const { status } = inLine ? await launch.join(request) : await launch.issue(request);
  if (status === 'waiting') await launch.admit({ count: 1 });
  return status;
}

describe.each([
  ['a campaign', {}],
  ['a campaign that saves later', { saveMode: 'write-behind' }],
  ['a waiting room', { admission: 'queued' }],
] as const)('in %s with a delivery', (name, more) => {
  test('no repeat of a freed request id takes a unit or is delivered, also after a rebuild', async () => {
    const inLine = 'admission' in more;
    const { issuer, launch, delivered, definition } = await scene(`freed ${name}`.replaceAll(' ', '-'), more);
    const repeat = async () => {
      expect(await asks(launch, inLine, 'first')).toBe('revoked');
      await issuer.idle();
      await launch.settle();
    };
    for (let i = 0; i < REPEATS; i++) await repeat();
    expect(await launch.inspect()).toMatchObject({ available: TOTAL, total: TOTAL, reserved: 0 });
    await server.client().flushall();
    await launch.rebuild(definition);
    for (let i = 0; i < REPEATS; i++) await repeat();
    expect(await launch.inspect()).toMatchObject({ available: TOTAL, total: TOTAL, reserved: 0 });
    expect(delivered).toEqual([1]);
    expect((await launch.reconcile()).findings).toEqual([]);
    expect(['issued', 'accepted', 'waiting']).toContain(await asks(launch, inLine, 'second'));
    await issuer.idle();
    await launch.settle();
    expect(await launch.inspect()).toMatchObject({ available: TOTAL - 1, issued: 1 });
    // The new coupon does not hide the end of the old one.
    await repeat();
  });
});

describe('a save that certainly fails, after settle has saved the coupon and it was revoked with its grant free', () => {
  test.each([
    ['is told as revoked', false],
    ['is told as revoked, though the user has another coupon by then', true],
  ])('%s', async (_, hasAnother) => {
    const redis = server.client();
    const persistence = new ScriptedPersistence();
    const issuerOf = () => new CouponIssuer({ redis, persistence });
    const [owner, settler] = [issuerOf(), issuerOf()];
    const id = `held-${hasAnother}`;
    const [launch, same] = [owner.campaign(id), settler.campaign(id)];
    await launch.open(DEFINITION);
    const fail = persistence.hold();
    const held = persistence.reached();
    const asking = launch.issue({ userId: 'kim', requestId: 'first' });
    await held;
    await expireLeases(redis, launch.id);
    expect(await same.settle()).toMatchObject({ settled: 1 });
    const [row] = await persistence.rows(id);
    await same.revoke({ userId: 'kim', id: row!.id, revocationId: 'R', again: true });
    if (hasAnother)
      expect(await same.issue({ userId: 'kim', requestId: 'second' })).toMatchObject({ status: 'issued' });
    await settler.idle();
    fail(new NotSavedError('a constraint says no'));
    expect(await asking).toMatchObject({ status: 'revoked', issuance: { id: row!.id, serial: 1, code: null } });
    await owner.idle();
    expect(await same.inspect()).toMatchObject({ reserved: 0, issued: hasAnother ? 1 : 0, withdrawn: 1 });
    expect((await same.reconcile()).findings).toEqual([]);
  });
});

test('no script takes the unit of a freed coupon for one that was given back', async () => {
  const { launch } = await scene('freed-withdraw');
  const redis = server.client();
  const keys = campaignKeys('coupon', launch.id);
  const campaign = await redis.hgetall(keys.campaign);
  const [id] = Object.keys(campaign).flatMap((name) => (name.startsWith('freed:') ? [name.slice(6)] : []));
  const call = { keys, args: { epoch: campaign.epoch! }, items: [{ field: '1:kim', id: id!, stamp: '1' }] };
  const runner = new ScriptRunner(redis);
  expect(await runner.run(scripts.withdraw, call, 5_000)).toEqual(['ok', campaign.stamp, '0', 'issued']);
  expect(await runner.run(scripts.release, call, 5_000)).toEqual([
    'ok',
    campaign.stamp,
    'issued',
    expect.stringContaining(id!),
  ]);
  expect(await redis.hgetall(keys.campaign)).toEqual(campaign);
});
