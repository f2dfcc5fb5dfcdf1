import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Campaign, CouponIssuer, MemoryPersistence } from '../../src/index.js';
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
