import { createHash, randomBytes } from 'node:crypto';
import type { JsonObject } from './caller-data.js';
import { MAX_PER_USER, MAX_TOTAL, textFault } from './check.js';
import { isValidDate, timeOf } from './foreign.js';
import { type Life, ownLife } from './life.js';

/** One coupon of one user. `save` stores it and `issued` carries it. */
export interface Issuance {
  /** 22 characters: minted from 132 random bits, or derived from campaign, user and request id. */
  readonly id: string;
  readonly campaignId: string;
  readonly userId: string;
  /** Which of the user's coupons this is, 1..`perUser`. 0: the coupon was revoked, and the user may have another one. */
  readonly grant: number;
  /** The number of the unit, 1..total; no two users have the same one. */
  readonly serial: number;
  /** The coupon code. `null` if the campaign has none, or if it must not be shown yet. */
  readonly code: string | null;
  /** When the unit was reserved, by the clock of Redis. */
  readonly issuedAt: Date;
  /** The generation of the campaign's Redis state under which it was reserved. */
  readonly epoch: string;
  /** `revoked`: its coupon was taken back. Of a row, `life` says so, whatever the adapter wrote here. */
  readonly state: 'reserved' | 'issued' | 'revoked';
  /**
   * The data that the call gave, for `deliver`, `recall`, `save` and the rows of `list` and `find`; absent where it
   * gave none, and in every result.
   */
  readonly data?: JsonObject | undefined;
  /** The first instant at which it is no longer valid. Absent or `null`: it is valid for ever. */
  readonly expiresAt?: Date | null | undefined;
  /** What became of it after its issue. Absent: nothing changed it. Only rows have it. */
  readonly life?: Life | undefined;
}

const ID_BYTES = 16;
/** Of the ids that this version makes. A row may have another one. */
const ID_LENGTH = 22;
/** 256 ids are 22 × 256 characters of 6 bits each. */
const ENTROPY_BYTES = (ID_LENGTH * 256 * 6) / 8;
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

/** The same issuance, committed. Written out, because a frozen object is slow to spread. */
export function asIssued(reserved: Issuance): Issuance {
  const { id, campaignId, userId, grant, serial, code, issuedAt, epoch, expiresAt } = reserved;
  const issued = { id, campaignId, userId, grant, serial, code, issuedAt, epoch, state: 'issued' } as const;
  return expiresAt ? { ...issued, expiresAt } : issued;
}

/** The state of a row with this life. */
export function rowState(life: Life | undefined): 'issued' | 'revoked' {
  return life?.state === 'revoked' ? 'revoked' : 'issued';
}

/** The same issuance without its code, for callers that must not see it yet. */
export function withoutCode(issuance: Issuance): Issuance {
  const { id, campaignId, userId, grant, serial, issuedAt, epoch, state, expiresAt } = issuance;
  const shown = { id, campaignId, userId, grant, serial, code: null, issuedAt, epoch, state };
  return expiresAt ? { ...shown, expiresAt } : shown;
}

/**
 * Returns an own copy of a row of an adapter, or `null` if it cannot be written to Redis. A row that cannot be read
 * back would block every batch of its user. Each property is read once, because a getter could say something else at
 * the second look.
 */
export function ownRow(value: unknown): Issuance | null {
  const { id, campaignId, userId, grant, serial, code, issuedAt, epoch, expiresAt, life } = (value ??
    {}) as Partial<Issuance>;
  const ownedLife = life === undefined ? undefined : ownLife(life);
  const isWhole =
    textFault(id) === null &&
    !id!.includes(':') &&
    typeof campaignId === 'string' &&
    textFault(userId) === null &&
    (isWithin(grant, MAX_PER_USER) || (grant === 0 && ownedLife?.state === 'revoked')) &&
    isWithin(serial, MAX_TOTAL) &&
    (code === null || textFault(code) === null) &&
    typeof epoch === 'string' &&
    (expiresAt === undefined || expiresAt === null || isValidDate(expiresAt)) &&
    ownedLife !== null &&
    isValidDate(issuedAt);
  const issuedMs = isWhole ? timeOf(issuedAt) : -1;
  if (!isWhole || issuedMs < 0) return null;
  return Object.freeze({
    id: id!,
    campaignId,
    userId: userId!,
    grant: grant!,
    serial,
    code: code!,
    issuedAt: new Date(issuedMs),
    epoch,
    state: rowState(ownedLife),
    ...(expiresAt ? { expiresAt: new Date(timeOf(expiresAt)) } : {}),
    ...(ownedLife ? { life: ownedLife } : {}),
  });
}

function isWithin(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most;
}
