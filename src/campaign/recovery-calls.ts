import type { CampaignDefinition } from '../model/campaign-rules.js';
import type { ReconcileReport } from '../model/findings.js';
import type { ReconcileOptions } from '../recover/comparison.js';
import type { RebuildOptions, RebuildResult } from '../recover/rebuild.js';
import type { SettleResult } from '../settle/settle.js';
import type { Quarantine } from './quarantine.js';

/** The calls of a campaign that finish, compare and repair its state. */
export interface RecoveryCalls {
  /**
   * Finishes every reservation of this campaign whose lease ran out, and the backlog of write-behind, also after the
   * close. Run it after a process died, or every few seconds while the campaign runs. Any number of processes may run
   * it. `issuer.settle()` settles all campaigns.
   *
   * Two round trips, and per batch of due reservations two more and a save. Throws `UnknownCampaignError`,
   * `MisconfiguredError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { settled, pending } = await launch.settle();
   * ```
   */
  settle(): Promise<SettleResult>;

  /**
   * Compares a campaign in Redis with the rows of the database, and the units in Redis with each other. By default it
   * changes nothing. With `repair: 'safe'` it settles due reservations, but not the backlog of write-behind. It writes
   * back rows that Redis lacks, and makes settle save grants that the database lacks. Each finding names its cure;
   * `String(report)` is for people.
   *
   * It may run while coupons are issued. Counters and units are compared only if nothing changed meanwhile (`quiet`).
   * It keeps about 500 bytes per issuance in memory.
   *
   * One round trip per 500 rows, 500 grants and 500 free units, one page of `list` per 500 rows, and three more. Throws
   * `HookError` (`list` failed), `MisconfiguredError` (another database than the campaign is bound to),
   * `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`, and the reason of an aborted signal.
   *
   * @example
   * ```ts
   * const report = await launch.reconcile();
   * if (report.findings.length > 0) console.error(String(report));
   * ```
   */
  reconcile(options?: ReconcileOptions): Promise<ReconcileReport>;

  /**
   * Makes a campaign's state in Redis again after Redis lost or rolled back data. It reads the rows of the database
   * (the adapter's `list`). For a pool, pass the codes again. Reservations that Redis still has keep their units, and
   * settle finishes them afterwards. Until the rebuild ends, the campaign answers `not_ready` (`rebuilding`). A call
   * that was under way ends with an unknown outcome. If its row appears later, the unique keys of the database meet it.
   * Withdrawn units return to the stock.
   *
   * If the database gave a unit to another user that may have been delivered, `recall` gets it.
   *
   * After a failure, run it again under the same definition: it continues where it stopped. A pool that codes were
   * loaded into is made anew. Of two runs at once, the later one continues and the other throws `CampaignConflictError`.
   *
   * Costs nine round trips, and one page of `list` per 500 rows. One round trip more per 500 serials, 200 coupons that
   * Redis still has, 500 codes, and 200 codes that Redis knew. Throws `InvalidArgumentError`, `MisconfiguredError` (no
   * `list`), `HookError` (`list` failed), `CampaignConflictError`, `RedisError`, `ClosedError`, and the reason of an
   * aborted signal.
   *
   * @example
   * ```ts
   * const definition = { stock: { kind: 'counted', total: 1000 } } as const;
   * const { campaign, rows } = await launch.rebuild(definition, { onProgress: ({ phase, done }) => console.log(phase, done) });
   * ```
   */
  rebuild(definition: CampaignDefinition, options?: RebuildOptions): Promise<RebuildResult>;

  /** The reservations that settle gave up on. Only an operator ends them. */
  readonly quarantine: Quarantine;
}
