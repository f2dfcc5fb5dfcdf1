import type { CodeSource, LoadOptions, LoadResult } from '../operate/load-codes.js';
import type { CodeReplacement } from '../operate/requests.js';
import type { Restocked } from '../redis/operate.js';
import type { CodeLoad } from '../redis/pool.js';

/** The calls of a campaign that fill its stock. */
export interface StockCalls {
  /**
   * Loads codes into the pool. Codes that were ever loaded are skipped and counted. Under the same `loadId`, an
   * interrupted load continues where it stopped. The result counts the work of this call alone.
   *
   * One round trip asks how far the load came. Then 500 codes go per round trip, and 1,000 after the first 10,000. The
   * call listens to the source before it awaits anything, and closes its iterator at every end. An error of the source
   * is thrown.
   *
   * Throws `InvalidArgumentError` with the place of a bad code; of an array or a set nothing is written then. Throws
   * `CampaignConflictError` if the campaign has no pool, is closed, or has loaded another list under this `loadId`.
   * Also throws `UnknownCampaignError`, `NotReadyError`, `RedisError`, and the reason of an aborted signal.
   *
   * @example
   * ```ts
   * const { loaded, duplicates } = await launch.loadCodes(['AAA-1', 'AAA-2'], { loadId: 'partner, April' });
   * ```
   */
  loadCodes(codes: CodeSource, options?: LoadOptions): Promise<LoadResult>;

  /**
   * Lists the loads of the pool: each `loadId`, and how far its list came. A rebuild forgets them.
   *
   * One round trip per 500 fields of the campaign, each when the loop comes to it. The iterator throws
   * `CampaignConflictError` (no pool), `UnknownCampaignError`, `NotReadyError`, `RedisError`, `ClosedError`.
   *
   * @example
   * ```ts
   * for await (const { loadId, codes } of launch.loads()) console.log(loadId, codes);
   * ```
   */
  loads(): AsyncIterableIterator<CodeLoad>;

  /**
   * Replaces a code that is still in the pool. `code` is taken as it was loaded; `replacement` is checked as in
   * `loadCodes`. `not_in_pool`: the code is issued, reserved, replaced before or was never loaded, so this is also the answer
   * to a repeat. `duplicate`: the replacement is known already.
   *
   * One round trip per 500 codes of the pool, and one more. Throws `CampaignConflictError` (no pool),
   * `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`, `RedisError`.
   *
   * @example
   * ```ts
   * const { status } = await launch.replaceCode({ code: 'AAA-1', replacement: 'AAA-3' });
   * ```
   */
  replaceCode(change: CodeReplacement): Promise<{ status: 'replaced' | 'not_in_pool' | 'duplicate' }>;

  /**
   * Changes the stock of a counted campaign by `add`. A negative number removes units that nobody holds. The next call
   * sees the change. It happens once per `requestId` (1–128 bytes), also if the reply is lost. A pool gets more codes
   * by `loadCodes`.
   *
   * One round trip. Throws `CampaignConflictError` (not counted, closed, too few free units, or another change under
   * this request id; nothing was changed), `InvalidArgumentError`, `UnknownCampaignError`, `NotReadyError`,
   * `RedisError`.
   *
   * @example
   * ```ts
   * const { total, available } = await launch.restock({ add: 500, requestId: 'second-batch' });
   * ```
   */
  restock(change: { add: number; requestId: string }): Promise<Restocked>;
}
