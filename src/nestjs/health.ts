import type { CouponIssuer } from '../issuer.js';
import { httpWordOf } from '../model/http-status.js';

/** `up`, or the `code` of the error of `issuer.check()`: `REDIS`, `MISCONFIGURED`, `HOOK` or `CLOSED`. */
export type CouponIssuerStatus = { readonly status: 'up' } | { readonly status: 'down'; readonly reason: string };

/**
 * A health indicator for a readiness probe. `@nestjs/terminus` takes it as it is, and it needs no terminus.
 *
 * A module without a `name` provides it. For a named issuer, make one: `new CouponIssuerHealth(issuer)`.
 *
 * @example
 * ```ts
 * import { CouponIssuerHealth } from 'coupon-issuer/nestjs';
 *
 * const { coupons } = await new CouponIssuerHealth(issuer).check('coupons');
 * ```
 */
export class CouponIssuerHealth {
  readonly #issuer: Pick<CouponIssuer, 'check'>;

  constructor(issuer: Pick<CouponIssuer, 'check'>) {
    this.#issuer = issuer;
  }

  /** Asks `issuer.check()`, with its cost. Never rejects. */
  async check<Key extends string>(key: Key): Promise<Record<Key, CouponIssuerStatus>> {
    const status = await this.#issuer.check().then(
      (): CouponIssuerStatus => ({ status: 'up' }),
      (error: unknown): CouponIssuerStatus => ({ status: 'down', reason: httpWordOf(error) ?? 'unknown' }),
    );
    return { [key]: status } as Record<Key, CouponIssuerStatus>;
  }
}
