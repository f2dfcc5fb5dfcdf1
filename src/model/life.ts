import { createHash } from 'node:crypto';
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

/** A final answer, or a change and the answer that it gives once it is made. */
export type Decision = { readonly answer: LifeAnswer } | { readonly change: RowChange; readonly answer: LifeAnswer };

/** What a call knows of its own earlier attempts. */
export interface Attempts {
  /** Its last change of an unexpired coupon was not made, though the row had this version before and has it still. `null`: there was none, or it was sent unseen. */
  readonly refusedVersion: number | null;
  /** The reply of an attempt was lost: its statement may still arrive. */
  readonly inDoubt: boolean;
}

export const UNTOUCHED: Life = Object.freeze({
  version: 0,
  state: 'issued',
  at: null,
  by: null,
  undone: '',
  unitReturned: false,
});
export const FIRST_ATTEMPT: Attempts = Object.freeze({ refusedVersion: null, inDoubt: false });

const MARK_LENGTH = 10;
const MOST_MARKS = 16;

/**
 * The rule of one coupon: an answer, or the change that the row needs first. The order of the lines counts. A late copy of a change names an old version,
 * so it never applies: each answer stays true.
 */
export function decide(call: LifeCall, row: LifeRow, attempts: Attempts = FIRST_ATTEMPT): Decision {
  switch (call.verb) {
    case 'redeem':
      return decideRedeem(call.id, row, attempts);
    case 'unredeem':
      return decideUnredeem(call.id, row.life ?? UNTOUCHED);
    case 'revoke':
      return decideRevoke(call, row.life ?? UNTOUCHED);
    case 'extend':
      return decideExtend(call.expiresAt, row);
    case 'fence':
      return decideFence(call.version, row.life ?? UNTOUCHED);
  }
}

/** The change of a coupon that was never changed. Most are such, so a redeem sends it without a look. */
export function firstRedeem(id: string): RowChange {
  return { version: 0, unexpired: true, to: { state: 'redeemed', by: id } };
}

function decideRedeem(
  id: string,
  { life = UNTOUCHED, expiresAt = null }: LifeRow,
  { refusedVersion, inDoubt }: Attempts,
): Decision {
  const { version, state, by, undone } = life;
  if (state === 'redeemed' && by === id) return { answer: 'redeemed' };
  // Before the others: the shop gave this redemption up, and it must never hear that it should wait for another one.
  if (isUndone(undone, id)) return { answer: 'redemption_undone' };
  if (state === 'redeemed') return { answer: 'already_redeemed' };
  if (state === 'revoked') return { answer: 'revoked' };
  // A coupon without an end cannot have expired, whatever the adapter said of its change.
  if (refusedVersion !== version || expiresAt === null)
    return { change: { ...firstRedeem(id), version }, answer: 'redeemed' };
  // The version was right, so the time was not. A statement that began in time may still commit: a change that only counts up ends it.
  return inDoubt ? { change: { version, unexpired: false }, answer: 'expired' } : { answer: 'expired' };
}

function decideUnredeem(id: string, { version, state, by, undone }: Life): Decision {
  if (isUndone(undone, id)) return { answer: 'unredeemed' };
  if (state === 'revoked') return { answer: 'not_redeemed' };
  const change = { version, unexpired: false, undone: marksWith(undone, id) };
  if (state === 'redeemed' && by === id) {
    return { change: { ...change, to: { state: 'issued', by: null } }, answer: 'unredeemed' };
  }
  // The redeem of this id may still be on its way. It must find the mark.
  return { change, answer: 'not_redeemed' };
}

function decideRevoke({ id, unit, again }: RevokeCall, { version, state, by }: Life): Decision {
  if (state === 'revoked') return { answer: by === id ? 'taken_back' : 'revoked' };
  if (state === 'redeemed') return { answer: 'already_redeemed' };
  const change: RowChange = {
    version,
    unexpired: false,
    to: { state: 'revoked', by: id },
    ...(unit === 'returned' ? { unitReturned: true } : {}),
    ...(again ? { freesGrant: true } : {}),
  };
  return { change, answer: 'taken_back' };
}

function decideExtend(until: Date, { life = UNTOUCHED, expiresAt = null }: LifeRow): Decision {
  if (life.state === 'revoked') return { answer: 'revoked' };
  if (expiresAt === null || expiresAt >= until) return { answer: 'extended' };
  return { change: { version: life.version, unexpired: false, expiresAt: until }, answer: 'extended' };
}

/** A revoked row is final. Otherwise a change that only counts up is in the way of one that is still on its way. */
function decideFence(announced: number, { version, state }: Life): Decision {
  if (state === 'revoked') return { answer: 'revoked' };
  if (version > announced) return { answer: 'fenced' };
  return { change: { version, unexpired: false }, answer: 'fenced' };
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

/**
 * The marks with that of one more redemption: 10 characters of its SHA-256, behind a comma. The 17th pushes the oldest one out. From then on a late copy of that
 * redemption is stopped by its version alone.
 */
function marksWith(undone: string, id: string): string {
  const marks = undone === '' ? [] : undone.split(',');
  return [...marks, markOf(id)].slice(-MOST_MARKS).join(',');
}

function isUndone(undone: string, id: string): boolean {
  return undone !== '' && undone.split(',').includes(markOf(id));
}

function markOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url').slice(0, MARK_LENGTH);
}
