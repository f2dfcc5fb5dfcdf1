import type { CouponTally } from '../model/coupon.js';
import type { Issuance } from '../model/issuance.js';
import type { ChangeVerdict, CouponChange, CouponRef } from './coupon-change.js';

/** The answer of the database about one issuance. */
export type SaveVerdict =
  /** This id with this serial and this code is stored, now or before, and its coupon is not revoked. */
  | { readonly verdict: 'saved' }
  /**
   * The row of this id, or of this grant of the user, is stored on another unit; or the row of this id is revoked.
   * `existing` is that row.
   */
  | { readonly verdict: 'user_conflict'; readonly existing: Issuance }
  /** Another row has this serial, or this code. */
  | { readonly verdict: 'serial_conflict' | 'code_conflict' }
  /**
   * The database will never accept this row, and nothing of it is stored by this attempt. `reason` is a word of yours
   * for your clients, 1–128 bytes of text without control characters: `issue()` answers `not_eligible` with it. Never
   * put a message of the database there.
   */
  | { readonly verdict: 'refused'; readonly reason: string };

/** The rows of coupons, as they are looked at and changed. */
export type CouponRows = Required<Pick<PersistenceAdapter, 'look' | 'change'>>;

/**
 * Your database. An optional ability is an optional method. An adapter that wraps another one passes all of its methods
 * on, `check` and `identity` too. `Client`: the client of a transaction that `within` takes.
 */
export interface PersistenceAdapter<Client = never> {
  /**
   * Stores each issuance, idempotent by id. Returns one verdict each, in order. A batch may mix campaigns. When it
   * resolves, the rows are committed. `NotSavedError`: nothing of this batch is stored, nor ever will be by this
   * attempt. Any other error means "unknown". `newIds`: no call was made under these ids before, so a row that has one
   * has its serial too, as long as no grant of its campaign is free again. An adapter without a key on ids need not look
   * for them then.
   */
  save(
    issuances: readonly Issuance[],
    options: { signal: AbortSignal; newIds?: boolean | undefined },
  ): Promise<readonly SaveVerdict[]>;
  /**
   * Returns at most `limit` issuances of a campaign after a serial, in serial order. `open` asks it whether a campaign
   * without state in Redis is really new.
   */
  list?(campaignId: string, options: { afterSerial: number; limit: number }): Promise<readonly Issuance[]>;
  /** Returns the stored issuance of each id, or `null`, in order. Settle does not deliver a stored one again. */
  find?(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]>;
  /** The row of each coupon, or `null`, in order. A ref with a user finds no row of another user. */
  look?(refs: readonly CouponRef[], options: { signal: AbortSignal }): Promise<readonly (Issuance | null)[]>;
  /**
   * Makes each change as a whole if the row has that version, and has not expired where the change asks for it; otherwise it changes nothing. One verdict each,
   * in order; one change that is not made takes no other along. The clock is the one of your store. When it resolves, the changes are committed. No coupon is
   * twice in a batch. A throw means "unknown"; `NotSavedError`: nothing of this batch was changed, nor ever will be by this attempt.
   */
  change?(changes: readonly CouponChange[], options: { signal: AbortSignal }): Promise<readonly ChangeVerdict[]>;
  /**
   * Returns the rows of these users in these campaigns, whatever became of them: the newest `issuedAt` first, and at most `limit` in all. At most 500 users and
   * 500 campaigns, each of them once.
   */
  listByUser?(
    userIds: readonly string[],
    options: { campaignIds: readonly string[]; limit: number; signal: AbortSignal },
  ): Promise<readonly Issuance[]>;
  /** Returns the id of every campaign that has a row, in any order. Each process asks at most once a second, and mostly once a minute. */
  campaigns?(options: { signal: AbortSignal }): Promise<readonly string[]>;
  /** Counts the rows of a campaign by their state. Whether an issued one has expired, the clock of your store decides. */
  count?(campaignId: string, options: { signal: AbortSignal }): Promise<CouponTally>;
  /**
   * `look` and `change` on the client of a transaction that the caller ends. They get one coupon at a time, wait for its row, and show it as it is now,
   * whatever the transaction saw before. They send nothing again after a failure: the transaction may be over. Changes nothing itself. `InvalidArgumentError`: the
   * client is in no transaction.
   */
  within?(client: Client): Promise<CouponRows>;
  /**
   * Checks that the table can keep the promises of `save`; writes nothing. Throws `MisconfiguredError` if it cannot;
   * any other error says that the database could not be asked. Called once per process, before anything is reserved or
   * claimed, and once a second while the table is not fit.
   */
  check?(): Promise<{ readonly format: number }> | Promise<void>;
  /**
   * Says why the table cannot hold this user id as it is spelt, or `null`; the words follow `userId`, as in `must be a whole number`, and quote no id. Without
   * I/O. Every call with a user asks it before anything else. Of an id that a column prints otherwise, such as 007 in a `bigint`, two users would share a row.
   */
  userIdFault?(userId: string): string | null;
  /**
   * Says which database this is: a text of 1–128 bytes, or `null` if it is not known. The text is the same for all
   * processes and for as long as the rows live, and no other database has it. A campaign serves only with the database
   * that it was opened with. Called once per process, together with `check`.
   */
  identity?(): Promise<string | null>;
  /** Facts for `diagnose()`. May commit, and writes no row. */
  facts?(): Promise<DatabaseFacts>;
}

/** A database, as it tells of itself. */
export interface DatabaseFacts {
  readonly version: string;
  readonly now: Date;
  /** The isolation level of a new transaction. */
  readonly isolation: string;
  /** The settings under which a power cut takes back a committed row, such as `fsync off`. */
  readonly unsafe: readonly string[];
  /** The median time of a commit that reached the disk, ms; `null`: not measured. */
  readonly commitMs: number | null;
}
