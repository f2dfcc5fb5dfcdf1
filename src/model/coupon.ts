import type { Issuance } from './issuance.js';
import { UNTOUCHED } from './life.js';

/** A coupon as its row shows it. */
export interface Coupon {
  readonly id: string;
  readonly campaignId: string;
  readonly userId: string;
  readonly serial: number;
  readonly code: string | null;
  readonly issuedAt: Date;
  /** The first instant at which it is no longer valid; `null`: it is valid for ever. */
  readonly expiresAt: Date | null;
  /** `expired`: by the clock of this process. Whether it can be redeemed, the database decides by its own. */
  readonly state: 'issued' | 'redeemed' | 'expired' | 'revoked';
  /** Of a redeemed coupon. */
  readonly redeemedAt?: Date;
  /** Of a redeemed coupon: the id that the shop gave. Show it to the shop alone. */
  readonly redemptionId?: string;
  /** Of a revoked coupon. */
  readonly revokedAt?: Date;
}

/** Written out, because thousands are made at once, and a spread costs as much as the rest of the call. */
export function couponOf(row: Issuance, now: number = Date.now()): Coupon {
  const { id, campaignId, userId, serial, code, issuedAt, expiresAt = null, life = UNTOUCHED } = row;
  const { state, at, by } = life;
  if (state === 'redeemed') {
    const [redeemedAt, redemptionId] = [at!, by!];
    return { id, campaignId, userId, serial, code, issuedAt, expiresAt, state, redeemedAt, redemptionId };
  }
  if (state === 'revoked') return { id, campaignId, userId, serial, code, issuedAt, expiresAt, state, revokedAt: at! };
  const isOver = expiresAt !== null && expiresAt.getTime() <= now;
  return { id, campaignId, userId, serial, code, issuedAt, expiresAt, state: isOver ? 'expired' : state };
}

/** How many coupons of a campaign are in each state. The first four count each coupon once. */
export interface CouponTally {
  /** Still valid, and not used. */
  readonly issued: number;
  readonly redeemed: number;
  /** Not used, and no longer valid. */
  readonly expired: number;
  readonly revoked: number;
  /** Of the revoked ones: those whose unit went back into the stock. */
  readonly returned: number;
}

export type Counts = { -readonly [state in keyof CouponTally]: number };

export function noCounts(): Counts {
  return { issued: 0, redeemed: 0, expired: 0, revoked: 0, returned: 0 };
}

export function countIn(counts: Counts, row: Issuance, now: number): void {
  counts[couponOf(row, now).state]++;
  if (row.life?.unitReturned) counts.returned++;
}

type Placed = Pick<Issuance, 'issuedAt' | 'campaignId' | 'serial'>;

/** For `sort`: the newest first, and always in the same order. */
export function newestFirst(a: Placed, b: Placed): number {
  const newer = b.issuedAt.getTime() - a.issuedAt.getTime();
  if (newer !== 0) return newer;
  return a.campaignId === b.campaignId ? b.serial - a.serial : a.campaignId < b.campaignId ? -1 : 1;
}
