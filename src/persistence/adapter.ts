import type { Issuance } from '../model/issuance.js';

/** The answer of the database about one issuance. */
export type SaveVerdict =
  /** This id with this serial and this code is stored, now or before. */
  | { readonly verdict: 'saved' }
  /** This grant of the user, or this id, is stored on another unit: that row. */
  | { readonly verdict: 'user_conflict'; readonly existing: Issuance }
  /** The unit is somebody else's. */
  | { readonly verdict: 'serial_conflict' | 'code_conflict' }
  /**
   * The database will never accept this row, and nothing of it is stored by this attempt. `reason` is a word of yours
   * for your clients, 1–128 bytes of text without control characters: `issue()` answers `not_eligible` with it. Never
   * put a message of the database there.
   */
  | { readonly verdict: 'refused'; readonly reason: string };

/**
 * Your database. An optional ability is an optional method. An adapter that wraps another one passes all of its methods
 * on, `check` and `identity` too.
 */
export interface PersistenceAdapter {
  /**
   * Stores each issuance, idempotent by id; one verdict each, in order. A batch may mix campaigns. A throw means
   * "unknown"; `NotSavedError`: nothing of this batch is stored, nor ever will be by this attempt. When it resolves,
   * the rows are committed.
   */
  save(issuances: readonly Issuance[], options: { signal: AbortSignal }): Promise<readonly SaveVerdict[]>;
  /**
   * Issuances of a campaign after a serial, in serial order. `open` asks it whether a campaign without state in Redis
   * is really new.
   */
  list?(campaignId: string, options: { afterSerial: number; limit: number }): Promise<readonly Issuance[]>;
  /** The stored issuance of each id, or `null`, in order. Lets settle skip a delivery that was already saved. */
  find?(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]>;
  /**
   * Checks that the table is fit for the promises of `save`; writes nothing. A throw of `MisconfiguredError` says that
   * it is not, and why; any other throw that it could not be asked. Asked once per process, before anything is reserved
   * or claimed, and once a second while the table is not fit.
   */
  check?(): Promise<{ readonly format: number }> | Promise<void>;
  /**
   * Which database this is: the same text, 1–128 bytes, for all processes and for as long as the rows live, and another
   * one for every other database. `null`: not known. A campaign serves only with the database that it was opened with.
   * Asked once per process, together with `check`.
   */
  identity?(): Promise<string | null>;
}
