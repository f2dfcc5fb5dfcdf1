import type { Redis } from 'ioredis';
import RedisMock from 'ioredis-mock';
import { CouponIssuer, type CouponIssuerOptions, type IssueResult, MemoryPersistence } from '../../src/index.js';

// The mock rounds the seconds of one clock and adds the fraction of another, so its time goes back again and again. With this fraction it only goes forward.
process.hrtime = Object.assign(() => [0, ((Date.now() + 500) % 1000) * 1e6] as [number, number], {
  bigint: process.hrtime.bigint,
});

let instances = 0;

/** A client with data of its own: instances of the mock share theirs by host and port. */
export function mockRedis(): Redis {
  return new RedisMock({ data: {}, host: `mock-${++instances}` });
}

export function mockIssuer(options: Partial<CouponIssuerOptions> = {}): CouponIssuer {
  return new CouponIssuer({ redis: mockRedis(), persistence: new MemoryPersistence(), ...options });
}

/** The member of the union with this status, or a failed test. */
export function expectStatus<S extends IssueResult['status']>(
  result: IssueResult,
  status: S,
): Extract<IssueResult, { status: S }> {
  if (result.status !== status) throw new Error(`expected ${status}, was told ${JSON.stringify(result)}`);
  return result as Extract<IssueResult, { status: S }>;
}
