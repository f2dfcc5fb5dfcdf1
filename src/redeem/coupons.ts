import { monotonicMs } from '../flow/deadline.js';
import { couponOf } from '../model/coupon.js';
import { MisconfiguredError, PersistenceError } from '../model/errors.js';
import { type Emit, refOf } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import { kindOf } from '../model/safe-error.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { type ChangeOutcome, Changes, type ChangesOptions, type ChangingAdapter } from './changes.js';
import type { CouponCall } from './requests.js';
import type { CouponResult, NoRow } from './results.js';

export interface CouponsOptions extends ChangesOptions {
  readonly adapter: PersistenceAdapter | undefined;
  readonly timeoutMs: number;
  readonly emit: Emit;
  /** What Redis has of a user, and how long a lease lasts; `null`: Redis has no such campaign. */
  readonly reserved: (campaignId: string, userId: string) => Promise<StillReserved | null>;
}

export interface StillReserved {
  readonly issuances: readonly Issuance[];
  readonly leaseMs: number;
}

type RowOutcome = Extract<ChangeOutcome, { readonly row: Issuance }>;

/** The calls about coupons after their issue. The row alone decides. */
export class Coupons {
  readonly #options: CouponsOptions;
  readonly #changes: Changes | null;

  constructor(options: CouponsOptions) {
    this.#options = options;
    const { adapter, maxBatch, maxInFlight, maxQueued } = options;
    const sizes = { maxBatch, maxInFlight, maxQueued };
    this.#changes = adapter && canChange(adapter) ? new Changes(adapter, sizes) : null;
  }

  /** Throws `MisconfiguredError`, `OverloadedError`, `PersistenceError`, `RedisError`. */
  async ask<R extends CouponResult>(request: CouponCall): Promise<R> {
    const { timeoutMs } = this.#options;
    const { ref, call } = request;
    const changes = this.#assertAble();
    const outcome = await changes.change({ ref, call, deadlineAt: monotonicMs() + timeoutMs });
    switch (outcome.answer) {
      case 'no_row':
        return (await this.#withoutRow(request)) as R;
      case 'failed':
        throw failed(outcome);
      default:
        this.#tell(outcome);
        return resultOf(outcome) as R;
    }
  }

  #assertAble(): Changes {
    if (this.#changes) return this.#changes;
    throw new MisconfiguredError(
      'a coupon is redeemed in the database, so this process needs persistence whose adapter has look and change; nothing was changed',
    );
  }

  /** A coupon that is reserved has no row yet, and then no code that its user could know, but perhaps an id. */
  async #withoutRow({ ref, userId }: CouponCall): Promise<NoRow> {
    const reserved = userId === undefined ? null : await this.#options.reserved(ref.campaignId, userId);
    const isNamed = (one: Issuance) => ('code' in ref ? one.state === 'reserved' : one.id === ref.id);
    if (!reserved?.issuances.some(isNamed)) return { status: 'not_found' };
    return { status: 'not_saved_yet', retryAfterMs: reserved.leaseMs };
  }

  #tell({ answer, row, changed }: RowOutcome): void {
    const { emit } = this.#options;
    if (!changed) return;
    if (answer === 'redeemed' || answer === 'unredeemed' || answer === 'extended')
      emit({ type: answer, ...refOf(row) });
  }
}

export function canChange(adapter: PersistenceAdapter): adapter is ChangingAdapter {
  return Boolean(adapter.look && adapter.change);
}

function resultOf({ answer, row, changed }: RowOutcome): CouponResult {
  const { at } = row.life ?? { at: null };
  switch (answer) {
    case 'redeemed':
      return { status: answer, coupon: couponOf(row), ...(changed ? {} : { replayed: true }) };
    case 'unredeemed':
    case 'not_redeemed':
    case 'extended':
      return { status: answer, coupon: couponOf(row) };
    case 'already_redeemed':
      return { status: answer, redeemedAt: at! };
    case 'redemption_undone':
      return { status: answer };
    case 'expired':
      return { status: answer, expiresAt: row.expiresAt! };
    case 'revoked':
      return { status: answer, revokedAt: at! };
    case 'taken_back':
      throw new Error('no call asks for it here');
  }
}

function failed({ outcome, cause }: Extract<ChangeOutcome, { readonly answer: 'failed' }>): PersistenceError {
  const kind = kindOf(cause);
  const what =
    outcome === 'unknown'
      ? 'whether the coupon was changed is not known; ask again with the same id'
      : 'nothing was changed; ask again';
  return new PersistenceError(`the database gave no answer (${kind.name}): ${what}`, { outcome, cause: kind });
}
