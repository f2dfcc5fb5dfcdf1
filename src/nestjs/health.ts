import type { CouponIssuer } from '../issuer.js';
import { httpWordOf } from '../model/http-status.js';
import type { WorkerHealth } from '../worker/health.js';
import type { SettleWorker } from '../worker/worker.js';

/** `up`, or the `code` of the error of `issuer.check()`: `REDIS`, `PERSISTENCE`, `MISCONFIGURED` or `CLOSED`. */
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

  readonly #worker: () => SettleWorker | null;

  /** The module gives it the worker of this process. */
  constructor(issuer: Pick<CouponIssuer, 'check'>, worker: () => SettleWorker | null = () => null) {
    this.#issuer = issuer;
    this.#worker = worker;
  }

  /**
   * The health of the worker that the module runs: its campaigns with their backlog, quarantine and last fault. `null`:
   * this process runs none. One round trip per campaign. Throws `RedisError`.
   */
  async worker(): Promise<WorkerHealth | null> {
    return (await this.#worker()?.health()) ?? null;
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
