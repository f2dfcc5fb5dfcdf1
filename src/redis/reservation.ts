import type { Issuance } from '../model/issuance.js';
import type { CampaignState } from './campaign-state.js';
import { decodeRecord, fieldOf, type Tries } from './record.js';

export type { Tries };

/** A unit in the hands of this process: everything that acts on it names its field, id and stamp. */
export interface Reservation {
  readonly field: string;
  readonly id: string;
  readonly stamp: string;
  /** As Redis keeps it. */
  readonly record: string;
  /** When it was reserved, ms: `issuance` was in the hands of hooks, and a date moves even in what is frozen. */
  readonly issuedMs: number;
  /** With its code, which nobody may be shown before the row is committed. */
  readonly issuance: Issuance;
  /** Only the call that took the unit may give it back: whoever took it over may have promised it to somebody. */
  readonly mayRelease: boolean;
  readonly tries: Tries;
  /** Until when nobody else acts on it; monotonic ms, reckoned from before the call was sent. */
  readonly leaseEndsAt: number;
}

/** What was reserved, and when. */
export type Reserved = Pick<Reservation, 'issuance' | 'issuedMs'>;

/** The issuance as it was reserved, whatever a hook made of the date. */
export function intact({ issuance, issuedMs }: Reserved): Issuance {
  if (issuance.issuedAt.getTime() === issuedMs) return issuance;
  return Object.freeze({ ...issuance, issuedAt: new Date(issuedMs) });
}

export function toReservation(
  state: CampaignState,
  of: { grant: string; userId: string; record: string; epoch: string; sentAt: number; mayRelease: boolean },
): Reservation {
  const { userId, record, epoch, mayRelease } = of;
  const { issuance, stamp, tries } = decodeRecord(of.grant, record, { campaignId: state.id, userId, epoch });
  state.sawStamp(Number(stamp));
  const leaseEndsAt = of.sentAt + state.leaseMs;
  const field = fieldOf(issuance.grant, userId);
  const issuedMs = issuance.issuedAt.getTime();
  return { field, id: issuance.id, stamp, record, issuedMs, issuance, mayRelease, tries, leaseEndsAt };
}
