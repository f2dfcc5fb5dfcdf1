import { monotonicMs } from '../flow/deadline.js';
import { type Coupon, couponOf } from '../model/coupon.js';
import { isNotSaved, MisconfiguredError, PersistenceError } from '../model/errors.js';
import { type Emit, refOf } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import type { LifeCall } from '../model/life.js';
import { kindOf } from '../model/safe-error.js';
import type { CouponRows, PersistenceAdapter } from '../persistence/adapter.js';
import { assertUserId } from '../persistence/user-id.js';
import type { Serving } from '../redis/serving.js';
import { endAnnounced } from './announced.js';
import { Changes, type ChangesOptions } from './changes.js';
import { type Announce, changeWithin } from './look-and-change.js';
import type { CheckedCouponCall } from './requests.js';
import type { CouponResult, NoRow } from './results.js';
import type { Revocations, StockAfter } from './revocations.js';
import { type ChangeOutcome, type ChangeRequest, OwnFault } from './turn.js';

export interface CouponsOptions extends Omit<ChangesOptions, 'announce'> {
  readonly adapter: PersistenceAdapter | undefined;
  readonly timeoutMs: number;
  readonly emit: Emit;
  /** `null`: the campaign is over or unknown. Throws `NotReadyError`, `RedisError`: Redis cannot say. */
  readonly reserved: (campaignId: string, userId: string) => Promise<StillReserved | null>;
  readonly revocations: Revocations;
}

/** What Redis has of a user, and how long a lease lasts. */
export interface StillReserved {
  /** In every state, with their codes, which no answer may show. */
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
    const { adapter, maxBatch, maxInFlight, maxQueued, revocations } = options;
    const announce: Announce = (coupons) => revocations.announce(coupons);
    const sizes = { maxBatch, maxInFlight, maxQueued, announce };
    this.#changes = adapter && canChange(adapter) ? new Changes(adapter, sizes) : null;
  }

  /** Throws `MisconfiguredError`, `OverloadedError`, `PersistenceError`, `RedisError`, `NotReadyError`. */
  async ask<R extends CouponResult>(request: CheckedCouponCall): Promise<R> {
    const { ref, userId, call, within } = request;
    if (userId !== undefined) assertUserId(this.#options.adapter, userId);
    const outcome = await this.#change({ ref, call, deadlineAt: monotonicMs() + this.#options.timeoutMs }, within);
    switch (outcome.answer) {
      case 'no_row':
        return (await this.#withoutRow(request)) as R;
      case 'failed':
        throw failed(outcome, within !== undefined);
      case 'not_announced':
        throw outcome.error;
      default:
        // In a transaction of the caller it holds once that is committed, and nobody tells this process.
        if (within === undefined) this.#tell(request, outcome);
        return resultOf(outcome, request.call, await this.#stockAfter(request, outcome)) as R;
    }
  }

  /** For a worker: revocations whose process died. A process that cannot change rows leaves them to others. */
  async endAnnounced({ shard }: Serving): Promise<void> {
    const { revocations, timeoutMs } = this.#options;
    if (!this.#changes) return;
    try {
      await endAnnounced(shard, { changes: this.#changes, revocations, timeoutMs });
    } catch (error) {
      revocations.tell(shard.campaignId, error);
    }
  }

  #change(request: ChangeRequest, client: object | undefined): Promise<ChangeOutcome> {
    if (client === undefined) return this.#assertAble().change(request);
    const { adapter } = this.#options;
    if (!adapter?.within) {
      throw new MisconfiguredError(
        'a coupon is redeemed in a transaction of yours by an adapter that has `within`, which this one lacks; nothing was changed',
      );
    }
    return changeWithin(() => adapter.within!(client as never), request);
  }

  #assertAble(): Changes {
    if (this.#changes) return this.#changes;
    throw new MisconfiguredError(
      'a coupon is redeemed in the database, so this process needs persistence whose adapter has look and change; nothing was changed',
    );
  }

  /** A coupon without a row may be reserved. In any later state, its row was saved after this call had looked for it. */
  async #withoutRow({ ref, userId }: CheckedCouponCall): Promise<NoRow> {
    const reserved = userId === undefined ? null : await this.#options.reserved(ref.campaignId, userId);
    const isNamed = (one: Issuance) => ('code' in ref ? one.code === ref.code : one.id === ref.id);
    if (!reserved?.issuances.some(isNamed)) return { status: 'not_found' };
    return { status: 'not_saved_yet', retryAfterMs: reserved.leaseMs };
  }

  /** Also after a revocation by another call: its process may be gone. */
  async #stockAfter({ call }: CheckedCouponCall, { row }: RowOutcome): Promise<StockAfter> {
    const isRevoked = call.verb === 'revoke' && row.state === 'revoked';
    return isRevoked ? this.#options.revocations.takeBack(row) : 'done';
  }

  #tell({ call }: CheckedCouponCall, { answer, row, changed }: RowOutcome): void {
    const { emit } = this.#options;
    if (!changed) return;
    if (call.verb === 'revoke') emit({ type: 'revoked', ...refOf(row), unit: call.unit, again: call.again });
    if (answer === 'redeemed' || answer === 'unredeemed' || answer === 'extended')
      emit({ type: answer, ...refOf(row) });
  }
}

export function canChange(adapter: PersistenceAdapter): adapter is PersistenceAdapter & CouponRows {
  return Boolean(adapter.look && adapter.change);
}

/** The order of another redemption is not told: the caller may be the user who lost against it. */
function shown(row: Issuance, call: LifeCall): Coupon {
  const { redemptionId, ...coupon } = couponOf(row);
  return 'id' in call && call.id === redemptionId ? { ...coupon, redemptionId } : coupon;
}

function resultOf({ answer, row, changed }: RowOutcome, call: LifeCall, stock: StockAfter): CouponResult {
  const { at } = row.life ?? { at: null };
  const replayed = changed ? {} : { replayed: true as const };
  switch (answer) {
    case 'redeemed':
      return { status: answer, coupon: shown(row, call), ...replayed };
    case 'taken_back':
      return { status: answer, coupon: shown(row, call), stock, ...replayed };
    case 'unredeemed':
    case 'not_redeemed':
    case 'extended':
      return { status: answer, coupon: shown(row, call) };
    case 'already_redeemed':
      return { status: answer, redeemedAt: at! };
    case 'redemption_undone':
      return { status: answer };
    case 'expired':
      return { status: answer, expiresAt: row.expiresAt! };
    case 'revoked':
      return { status: answer, revokedAt: at! };
    case 'fenced':
      throw new Error('no caller asks for it');
  }
}

function failed(
  { outcome, cause }: Extract<ChangeOutcome, { readonly answer: 'failed' }>,
  isWithin: boolean,
): PersistenceError {
  const kind = kindOf(isNotSaved(cause) ? (cause.cause ?? cause) : cause);
  const { code } = kind as { code?: string };
  const said = cause instanceof OwnFault ? cause.message : [kind.name, code].filter(Boolean).join(' ');
  const what = isWithin
    ? 'roll your transaction back, then nothing is changed; ask again in a new one'
    : outcome === 'unknown'
      ? 'whether the coupon was changed is not known; ask again with the same id'
      : 'nothing was changed; ask again';
  return new PersistenceError(`the call to the database failed (${said}): ${what}`, { outcome, cause: kind });
}
