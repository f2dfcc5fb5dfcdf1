import type { Issuance } from '../model/issuance.js';
import type { RowChange } from '../model/life.js';

/** Which coupon: by its code, by its id and its user, or by its id and its serial. A code with a user is that user's coupon or none. */
export type CouponRef = { readonly campaignId: string } & (
  | { readonly code: string; readonly userId?: string | undefined }
  | { readonly id: string; readonly userId: string }
  | { readonly id: string; readonly serial: number }
);

/** A change of one row, as a whole or not at all. */
export interface CouponChange extends RowChange {
  readonly ref: CouponRef;
}

/** `row`: the row as it is after the change, or as it is without it; `null`: there is none, or it is of another user. */
export interface ChangeVerdict {
  readonly changed: boolean;
  readonly row: Issuance | null;
  /**
   * Nothing was changed, because another transaction holds the row. Only in a batch of several: the change comes again alone, and then it waits for the
   * row. A row that a shop holds so delays no other coupon.
   */
  readonly held?: true | undefined;
}

/** The same text for refs that are written alike. */
export function refKey(ref: CouponRef): string {
  return JSON.stringify([ref.campaignId, 'code' in ref ? ref.code : null, 'id' in ref ? ref.id : null]);
}

/** Whether a row is the one that the ref names. */
export function isNamedBy(ref: CouponRef, row: Issuance): boolean {
  if (row.campaignId !== ref.campaignId) return false;
  if ('code' in ref) return row.code === ref.code && (ref.userId === undefined || row.userId === ref.userId);
  return row.id === ref.id && ('serial' in ref ? row.serial === ref.serial : row.userId === ref.userId);
}
