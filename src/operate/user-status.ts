import type { Issuance } from '../model/issuance.js';
import { type Holding, heldAs, type Waiting } from '../model/place.js';
import type { Serving } from '../redis/serving.js';
import { findUser } from '../redis/user.js';
import type { WaitingRoom } from '../waiting-room/room.js';

/** The answer of `userStatus()`. */
export type UserStatus =
  | {
      /** `none`: no coupon. */
      readonly status: 'none' | Holding;
      /** The coupons of the user, by grant; the code is `null` until the row is committed, and of a revoked coupon. */
      readonly issuances: readonly Issuance[];
    }
  /** In line, with or without earlier coupons. */
  | (Waiting & { readonly issuances: readonly Issuance[] });

export async function userStatus(serving: Serving, room: WaitingRoom, userId: string): Promise<UserStatus> {
  const { campaign, shard } = serving;
  const held = campaign.rules.room ? [] : await findUser(shard, userId);
  // Under another epoch the campaign may have been made anew, with a waiting room.
  const standing = campaign.rules.room ? await room.find(serving, userId) : null;
  const issuances = standing?.issuances ?? held;
  if (standing?.place) {
    const { ticket, position, etaMs } = standing.place;
    return { status: 'waiting', ticket, position, etaMs, issuances };
  }
  if (issuances.length === 0) return { status: 'none', issuances };
  return { status: heldAs(issuances), issuances };
}
