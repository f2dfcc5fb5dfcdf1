import type { PersistenceAdapter } from '../persistence/adapter.js';
import { conflictCases } from './conflict-cases.js';
import { fidelityCases } from './fidelity-cases.js';
import { readingCases } from './reading-cases.js';
import { savingCases } from './saving-cases.js';
import { type Case, type Oracle, Stage } from './stage.js';

export type { Oracle, StoredRow } from './stage.js';

/** What `persistenceContract` needs to know of your adapter. */
export interface PersistenceContractOptions {
  /**
   * Called once for each case. Every case has campaigns of its own, so all of them may share one table, and the adapter may be the same.
   * An adapter with `Symbol.asyncDispose` is disposed of when its case is over, passed or failed.
   */
  readonly createAdapter: () => Promise<PersistenceAdapter & { [Symbol.asyncDispose]?(): PromiseLike<void> }>;
  /**
   * The rows of a campaign by a query of your own, on another connection than the adapter's: it sees only what is committed. Without it the
   * adapter is judged by its own `list`, or by its verdicts alone.
   */
  readonly oracle?: Oracle;
}

/** One rule of the contract, ready for any test runner. */
export interface ContractCase {
  /** The rule, as a sentence. */
  readonly name: string;
  /** Resolves when the adapter keeps the rule; rejects with an `AssertionError`, or with whatever the adapter threw. */
  readonly run: () => Promise<void>;
}

/**
 * The rules that a persistence adapter must keep, as cases for the test runner you use. They are independent of each other and may run at
 * the same time. A case about an optional method ends with "(if it lists)" or "(if it finds)" and passes where the adapter has no such method.
 *
 * @example
 * ```ts
 * const contract = persistenceContract({
 *   createAdapter: async () => new PostgresPersistence(pool),
 *   oracle: async (campaignId) => {
 *     const { rows } = await pool.query(
 *       'SELECT serial, user_id AS "userId", grant_no AS "grant", id, code FROM coupon_issuances WHERE campaign_id = $1',
 *       [campaignId],
 *     );
 *     return rows;
 *   },
 * });
 * for (const { name, run } of contract) test(name, run);
 * ```
 */
export function persistenceContract(options: PersistenceContractOptions): ContractCase[] {
  const cases = [...savingCases, ...conflictCases, ...fidelityCases, ...readingCases];
  return cases.map((one) => ({ name: one.name, run: () => runCase(one, options) }));
}

async function runCase({ check }: Case, { createAdapter, oracle }: PersistenceContractOptions): Promise<void> {
  const adapter = await createAdapter();
  try {
    await check(new Stage(adapter, oracle));
  } finally {
    await adapter[Symbol.asyncDispose]?.();
  }
}
