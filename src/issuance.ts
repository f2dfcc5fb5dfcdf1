import { createHash, randomBytes } from 'node:crypto';
import { isValidDate } from './foreign.js';

/** One coupon of one user: what `save` stores and `issued` carries. */
export interface Issuance {
  /** 22 characters: minted from 132 random bits, or derived from campaign, user and request id. */
  readonly id: string;
  readonly campaignId: string;
  readonly userId: string;
  /** Which of the user's coupons this is, 1..`perUser`. */
  readonly grant: number;
  /** The number of the unit, 1..total; never in two hands. */
  readonly serial: number;
  /** The coupon code, or `null` where the campaign has none or it must not be shown yet. */
  readonly code: string | null;
  /** When the unit was reserved, by the clock of Redis. */
  readonly issuedAt: Date;
  /** The generation of the campaign's Redis state under which it was reserved. */
  readonly epoch: string;
  readonly state: 'reserved' | 'issued';
}

const ID_BYTES = 16;
const ID_LENGTH = 22;
/** 64 ids are 22 × 64 characters of 6 bits each. */
const ENTROPY_BYTES = (ID_LENGTH * 64 * 6) / 8;
let entropy = '';
let used = 0;

/** A new id: 132 random bits. They are drawn and written out for many ids at once, because each time has its price. */
export function mintId(): string {
  if (used === entropy.length) {
    entropy = randomBytes(ENTROPY_BYTES).toString('base64url');
    used = 0;
  }
  used += ID_LENGTH;
  return entropy.slice(used - ID_LENGTH, used);
}

/** The id of a request: a repeat derives the same one, and nobody can derive another user's. */
export function deriveId(campaignId: string, userId: string, requestId: string): string {
  return createHash('sha256')
    .update(JSON.stringify([campaignId, userId, requestId]))
    .digest()
    .subarray(0, ID_BYTES)
    .toString('base64url');
}

/** The same issuance without its code, for whoever must not see it yet. */
export function withoutCode(issuance: Issuance): Issuance {
  return issuance.code === null ? issuance : { ...issuance, code: null };
}

/** Whether a row of the database can be written to Redis: one that cannot be read back there would stand in the way of every batch of its user. */
export function isIssuance(value: Issuance | null | undefined): value is Issuance {
  const { id, userId, serial, grant, issuedAt, code } = value ?? {};
  return (
    typeof id === 'string' &&
    !id.includes(':') &&
    typeof userId === 'string' &&
    Number.isSafeInteger(serial) &&
    Number.isSafeInteger(grant) &&
    (typeof code === 'string' || code === null) &&
    isValidDate(issuedAt)
  );
}
