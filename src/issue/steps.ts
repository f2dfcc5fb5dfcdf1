import type { Emit } from '../model/events.js';
import type { Issuance } from '../model/issuance.js';
import type { Reserved } from '../redis/reservation.js';
import type { ReserveRequest } from '../redis/reserve-call.js';
import type { Deliveries } from './deliver.js';
import type { Saves } from './save.js';

/** The parts that the steps work with. `saves` and `deliveries` are there exactly when the campaign needs them. */
export interface Steps {
  readonly saves: Saves | null;
  readonly deliveries: Deliveries | null;
  /** Deadline of `recall`, ms. */
  readonly timeoutMs: number;
  /** Whether `deliver` or `onEvent` is there, which may look at the async context of a call. */
  readonly hasHooks: boolean;
  readonly recall: ((issuance: Issuance) => Promise<void> | void) | undefined;
  readonly emit: Emit;
}

/** One attempt of one user. */
export interface IssueCall extends ReserveRequest, Attempt {
  /** That of the unit that it took over, once it did. */
  data: string;
  /** It took over the reservation of an earlier call under the same request id. */
  replayed: boolean;
}

/** For how long a reservation is carried, and the answer that its callers may get meanwhile. */
export interface Attempt {
  /** Monotonic ms. */
  readonly deadlineAt: number;
  /**
   * Its reservation: if the time of a caller runs out, the answer is `accepted`. `null` while it holds nothing, or may
   * be giving it back.
   */
  reserved: Reserved | null;
  /** A caller got the answer `accepted`: from now on the unit is not given back. */
  promised: boolean;
}

/** How far a reservation was carried. */
export type Carried =
  /**
   * The row is committed (or nothing is to be saved). `finished` ends the lease; if it is lost, settle saves again.
   * `before`: another attempt had committed it.
   */
  | {
      readonly outcome: 'issued';
      readonly issuance: Issuance;
      readonly finished: () => Promise<unknown>;
      readonly before?: true;
    }
  /** The row of this very id is revoked. `finished` marks the record, or frees its grant. */
  | { readonly outcome: 'revoked'; readonly issuance: Issuance; readonly finished: () => Promise<unknown> }
  /**
   * It stays reserved, and settle rolls it forward. `finished`: it will never be accepted, and is put into quarantine;
   * if that is lost, settle does it.
   */
  | {
      readonly outcome: 'accepted';
      readonly issuance: Issuance;
      readonly trouble: Trouble;
      readonly finished?: () => Promise<unknown>;
    }
  /** Nothing was delivered or saved and the unit is back. */
  | { readonly outcome: 'released'; readonly why: NotIssued }
  /** Redis had forgotten this user, and the unit with it: reserve once more. */
  | { readonly outcome: 'forgotten' }
  /** The database gave this unit to another user, and no other unit could be taken instead. */
  | { readonly outcome: 'sold_out' | 'rolled_back' };

/**
 * Why an attempt left a reservation as it was. `unknown`: it may still succeed, or another call acts on it. `failed`:
 * the cause is outside. `not_delivered`: the cause may be on either side. `refused`: this row is the cause.
 * `refused_for_good`: and it stays the cause.
 */
export type Trouble = 'unknown' | 'failed' | 'not_delivered' | 'refused' | 'refused_for_good';

/** The reason why nothing was issued, for an operator. */
export interface NotIssued {
  readonly trouble: Trouble;
  readonly message: string;
  readonly options?: { cause: Error };
  /** The word of the adapter for a row that the database will never accept. Clients get it. */
  readonly reason?: string;
}
