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

export function couponOf(row: Issuance, now: number = Date.now()): Coupon {
  const { id, campaignId, userId, serial, code, issuedAt, expiresAt = null, life = UNTOUCHED } = row;
  const named = { id, campaignId, userId, serial, code, issuedAt, expiresAt };
  switch (life.state) {
    case 'redeemed':
      return { ...named, state: 'redeemed', redeemedAt: life.at!, redemptionId: life.by! };
    case 'revoked':
      return { ...named, state: 'revoked', revokedAt: life.at! };
    case 'issued':
      return { ...named, state: expiresAt !== null && expiresAt.getTime() <= now ? 'expired' : 'issued' };
  }
}
