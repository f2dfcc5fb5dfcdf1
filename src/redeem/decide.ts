import { createHash } from 'node:crypto';
import {
  firstRedeem,
  type Life,
  type LifeAnswer,
  type LifeCall,
  type LifeRow,
  type RevokeCall,
  type RowChange,
  UNTOUCHED,
} from '../model/life.js';

/** A final answer, or a change and the answer that it gives once it is made. */
export type Decision = { readonly answer: LifeAnswer } | { readonly change: RowChange; readonly answer: LifeAnswer };

/** What a call knows of its own earlier attempts. */
export interface Attempts {
  /** Its last change of an unexpired coupon was not made, though the row had this version before and has it still. `null`: there was none, or it was sent unseen. */
  readonly refusedVersion: number | null;
  /** The reply of an attempt was lost: its statement may still arrive. */
  readonly inDoubt: boolean;
}

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
