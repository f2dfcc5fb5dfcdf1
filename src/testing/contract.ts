import type { Issuance } from '../model/issuance.js';
import type { PersistenceAdapter } from '../persistence/adapter.js';
import { boxCases } from './box-cases.js';
import { changeCases } from './change-cases.js';
import { checkCases } from './check-cases.js';
import { conflictCases } from './conflict-cases.js';
import { dataCases } from './data-cases.js';
import { fidelityCases } from './fidelity-cases.js';
import { largeCases } from './large-cases.js';
import { newIdCases } from './new-id-cases.js';
import { readingCases } from './reading-cases.js';
import { refusalCases } from './refusal-cases.js';
import { revokeCases } from './revoke-cases.js';
import { rivalCases } from './rival-cases.js';
import { savingCases } from './saving-cases.js';
import { signalCases } from './signal-cases.js';
import { type Case, type Need, type Oracle, Stage, type Surroundings } from './stage.js';
import { userIdCases } from './user-id-cases.js';
import { type UserIds, userIdOf } from './user-ids.js';
import { FaultyWire, type Wire } from './wire.js';
import { wireCases } from './wire-cases.js';
import { type InTransaction, withinCases } from './within-cases.js';

/** The options of `persistenceContract`. */
export interface PersistenceContractOptions {
  /**
   * Makes the adapter; called once for each case. Every case has campaigns of its own, so all cases may share one table
   * and one adapter. An adapter whose calls go over the wire is also tested on failing calls: make it anew for each
   * case. An adapter with `Symbol.asyncDispose` is disposed of after its case, passed or failed.
   */
  readonly createAdapter: (wire: Wire) => Promise<PersistenceAdapter & { [Symbol.asyncDispose]?(): PromiseLike<void> }>;
  /**
   * Reads the rows of a campaign by a query of your own, on another connection than the adapter's, so that it sees only
   * committed rows. Without it, the adapter is judged by its own `list`, or by its verdicts alone.
   */
  readonly oracle?: Oracle | undefined;
  /**
   * A user whose rows the database never accepts. Give it if the adapter answers `refused`: two more cases test that.
   */
  readonly refusedUserId?: string | undefined;
  /**
   * Whether the adapter stores the data of callers. Give `true` if it does: more cases test that. An adapter may leave
   * the data out; default `false`.
   */
  readonly keepsData?: boolean | undefined;
  /**
   * How user ids look, if the table does not take any text; default `'text'`. A function gives the id of user 1, 2 and so on: the same id each time, and
   * as the database prints it. Cases share these users. An adapter of such a table needs `userIdFault`.
   */
  readonly userIds?: UserIds | undefined;
  /**
   * Called before each save with its new issuances, up to 10,000 at once. Insert the rows that they refer to, such as their users, and skip those
   * that are there. Never called for `refusedUserId`, or for an id with a fault: for a foreign key, the refused user is missing there.
   */
  readonly prepare?: ((issuances: readonly Issuance[]) => Promise<unknown>) | undefined;
  /**
   * Runs work in a transaction of your client, as a shop does, and commits; if the work throws, it rolls back and throws that. Give it if the adapter has
   * `within`: six more cases test that. The client comes as `within` takes it.
   */
  readonly inTransaction?: InTransaction | undefined;
}

/** The skip function of a test runner: in Vitest and `node:test` on the first argument, in others on `this`. */
export interface SkipContext {
  skip(reason?: string): unknown;
}

/** One rule of the contract, ready for any test runner. */
export interface ContractCase {
  /** The rule, as a sentence. */
  readonly name: string;
  /** The methods that it needs beyond `save`. */
  readonly needs: readonly Need[];
  /**
   * Resolves when the adapter keeps the rule; rejects with an `AssertionError`, or with whatever the adapter threw. If
   * the adapter lacks a need of the case, the context skips the case. Without a context it rejects: an untried case
   * has not passed.
   */
  readonly run: (context?: SkipContext) => Promise<void>;
}

/**
 * The rules that a persistence adapter must keep, as cases for the test runner you use. They are independent of each
 * other and may run at the same time. A case that needs more than `save` says so: "(if it lists)", "(if it finds)",
 * "(if it is wired)".
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
  const { refusedUserId, keepsData = false, inTransaction } = options;
  const around = { ...options, userIds: userIdOf(options.userIds) };
  const refusals = refusedUserId === undefined ? [] : refusalCases(refusedUserId);
  const withins = inTransaction ? withinCases(inTransaction) : [];
  return [...CASES, ...(keepsData ? dataCases : []), ...refusals, ...withins].map((one) => ({
    name: one.needs ? `${one.name} (if it ${one.needs.map((need) => ABLE[need]).join(' and ')})` : one.name,
    needs: one.needs ?? [],
    // Of no declared parameter: runners take a second one, or the first, for a callback to wait for.
    run: (...[context]: [SkipContext?]) => runCase(one, options.createAdapter, around, context),
  }));
}

const CASES: readonly Case[] = [
  ...savingCases,
  ...rivalCases,
  ...conflictCases,
  ...newIdCases,
  ...fidelityCases,
  ...largeCases,
  ...signalCases,
  ...readingCases,
  ...changeCases,
  ...revokeCases,
  ...boxCases,
  ...userIdCases,
  ...checkCases,
  ...wireCases,
];

const ABLE: Record<Need, string> = {
  list: 'lists',
  find: 'finds',
  look: 'looks',
  change: 'changes',
  listByUser: 'lists by user',
  campaigns: 'lists campaigns',
  count: 'counts',
  check: 'checks its table',
  identity: 'says which database it is',
  userIdFault: 'judges user ids',
  within: 'works in a transaction',
  wire: 'is wired',
};

async function runCase(
  one: Case,
  createAdapter: PersistenceContractOptions['createAdapter'],
  around: Surroundings,
  context?: SkipContext,
): Promise<void> {
  const wire = new FaultyWire();
  const adapter = await createAdapter(wire);
  try {
    for (const need of one.needs ?? []) {
      const lack = await lackOf(need, new Stage(adapter, wire, around));
      if (lack) return skip(lack, need, context);
    }
    await one.check(new Stage(adapter, wire, around));
  } finally {
    await adapter[Symbol.asyncDispose]?.();
  }
}

/** Why a case cannot be tried, or `null`. */
async function lackOf(need: Need, probe: Stage): Promise<string | null> {
  const { adapter, wire } = probe;
  if (need !== 'wire') return adapter[need] ? null : `the adapter has no ${need}`;
  await probe.given(probe.issuance());
  return wire.used ? null : 'createAdapter does not send the calls of the adapter over the wire';
}

function skip(lack: string, need: Need, context: SkipContext | undefined): void {
  if (context) context.skip(lack);
  else
    throw new Error(
      `not tried: ${lack}. Skip the cases whose needs include '${need}', or give run the context of the test`,
    );
}
