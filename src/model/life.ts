import { isValidDate, timeOf } from './foreign.js';

/** What became of a coupon after it was issued. The row keeps it, and only the row. */
export interface Life {
  /** How often the row was changed. A change names the version that it was decided on. */
  readonly version: number;
  readonly state: 'issued' | 'redeemed' | 'revoked';
  /** When it last became so, by the clock of the database. `null`: it never changed. */
  readonly at: Date | null;
  /** The id of the redemption or revocation that made it so. */
  readonly by: string | null;
  /** The marks of redemptions that were undone, newest last. See `marksWith`. */
  readonly undone: string;
  /** Its unit went back into the stock, as a new one. */
  readonly unitReturned: boolean;
}

/** The part of a row that the rule looks at. A row without `life` was never changed, and one without `expiresAt` is valid for ever. */
export interface LifeRow {
  readonly life?: Life | undefined;
  readonly expiresAt?: Date | null | undefined;
}

/** `unit`: whether a new unit goes into the stock for it. `again`: its user may have another coupon. */
export interface RevokeCall {
  readonly verb: 'revoke';
  readonly id: string;
  readonly unit: 'kept' | 'returned';
  readonly again: boolean;
}

/** One call about one coupon. `id`: the redemption or revocation, named by the shop. */
export type LifeCall =
  | { readonly verb: 'redeem' | 'unredeem'; readonly id: string }
  | RevokeCall
  | { readonly verb: 'extend'; readonly expiresAt: Date }
  /** Of a worker: no change that names this version is made any more. */
  | { readonly verb: 'fence'; readonly version: number };

/** The calls of a shop about one coupon. */
export type CouponVerb = 'redeem' | 'unredeem' | 'extend' | 'revoke';

/** What a row has to become: all of it if the row has this version, and nothing otherwise. Each change counts the version up. */
export interface RowChange {
  readonly version: number;
  /** It applies only to a coupon that has not expired, by the clock of the database at the start of the statement. */
  readonly unexpired: boolean;
  /** Absent: state, `at` and `by` stay. */
  readonly to?: { readonly state: Life['state']; readonly by: string | null } | undefined;
  readonly undone?: string | undefined;
  readonly expiresAt?: Date | undefined;
  readonly unitReturned?: true | undefined;
  /** The grant of the user is free for another coupon. */
  readonly freesGrant?: true | undefined;
}

export type LifeAnswer =
  | 'redeemed'
  | 'redemption_undone'
  | 'already_redeemed'
  | 'expired'
  | 'revoked'
  | 'unredeemed'
  | 'not_redeemed'
  | 'taken_back'
  | 'extended'
  | 'fenced';

export const UNTOUCHED: Life = Object.freeze({
  version: 0,
  state: 'issued',
  at: null,
  by: null,
  undone: '',
  unitReturned: false,
});

/** The change of a coupon that was never changed. Most are such, so a redeem sends it without a look. */
export function firstRedeem(id: string): RowChange {
  return { version: 0, unexpired: true, to: { state: 'redeemed', by: id } };
}

/** An own copy of the life of a row of an adapter, or `null` if it is none. Each property is read once. */
export function ownLife(value: unknown): Life | null {
  const { version, state, at, by, undone, unitReturned } = (value ?? {}) as Partial<Life>;
  const isWhole =
    Number.isSafeInteger(version) &&
    version! >= 0 &&
    (state === 'issued' || state === 'redeemed' || state === 'revoked') &&
    (at === null || isValidDate(at)) &&
    (by === null || typeof by === 'string') &&
    (state === 'issued' || (at !== null && by !== null)) &&
    typeof undone === 'string' &&
    typeof unitReturned === 'boolean';
  if (!isWhole) return null;
  return Object.freeze({ version: version!, state, at: at && new Date(timeOf(at)), by, undone, unitReturned });
}

/** The life of a row after a change, and when it expires then; `null`: the change must not be made. For adapters of stores without SQL. `now` is the clock of the store. */
export function changedRow(
  row: LifeRow,
  change: RowChange,
  now: Date,
): { readonly life: Life; readonly expiresAt: Date | null } | null {
  const { life = UNTOUCHED, expiresAt = null } = row;
  if (life.version !== change.version) return null;
  if (change.unexpired && expiresAt !== null && expiresAt <= now) return null;
  const { to, undone = life.undone, unitReturned = life.unitReturned } = change;
  return {
    life: {
      version: life.version + 1,
      state: to?.state ?? life.state,
      at: to ? now : life.at,
      by: to ? to.by : life.by,
      undone,
      unitReturned,
    },
    expiresAt: change.expiresAt ?? expiresAt,
  };
}
