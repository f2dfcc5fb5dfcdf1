import type { CouponTally } from '../../model/coupon.js';
import { invalid } from '../../model/errors.js';
import type { Issuance } from '../../model/issuance.js';
import type { CouponRows, DatabaseFacts, PersistenceAdapter, SaveVerdict } from '../adapter.js';
import type { ChangeVerdict, CouponChange, CouponRef } from '../coupon-change.js';
import type { UserIdType } from '../own-table.js';
import { type OwnTableOptions, type Range, shapeOf, userIdJudge } from '../own-table.js';
import { type Row, storedOf, toIssuance } from '../row.js';
import type { TableFormat } from '../table-format.js';
import { assertAutocommit } from './autocommit.js';
import { CouponStatements } from './change.js';
import { PostgresClient, type PostgresLike } from './client.js';
import { postgresFacts } from './facts.js';
import { ReadStatements } from './read.js';
import { SaveStatements } from './save.js';
import { selectedOf } from './select-list.js';
import { PostgresTable, quotedTable } from './table.js';
import { type PostgresTransaction, rowsWithin } from './within.js';

export type { OwnColumn, OwnTableOptions, UserIdColumn, UserIdType } from '../own-table.js';
export type { TableFormat } from '../table-format.js';
export * from './bridges.js';
export type { PostgresLike, PostgresResult } from './client.js';
export { notSavedError } from './errors.js';
export { createTableSql } from './table.js';
export type { PostgresTransaction } from './within.js';

export interface PostgresOptions extends OwnTableOptions {
  /** `[schema.]name` in lower case; default `coupon_issuances`. */
  readonly table?: string | undefined;
  /**
   * Names the statement of a save, so that each connection parses and plans it once. It gains most on small batches.
   * Default `false`: a pooler may hand the next statement to a connection that does not know the name. For a Pool or
   * Client of `pg`; with another client it is an `InvalidArgumentError`.
   */
  readonly prepare?: boolean | undefined;
}

const signed = (bits: bigint): Range => ({ least: -(2n ** (bits - 1n)), most: 2n ** (bits - 1n) - 1n });
const RANGES = { integer: signed(32n), bigint: signed(64n) };

/**
 * Saves issuances in PostgreSQL 12 or newer. One statement per batch. If a row is taken, two more; then the log of the
 * server has a line of a duplicate key.
 *
 * Give it a pool or a connection in autocommit. Inside an open transaction, `issued` would not mean committed. So a
 * client in a transaction is refused with `NotSavedError`. Without a pool, that check costs two more round trips per
 * batch.
 *
 * @example
 * ```ts
 * const persistence = new PostgresPersistence(new Pool({ connectionString: process.env.DATABASE_URL }));
 * await persistence.createTable();
 * ```
 */
export class PostgresPersistence implements PersistenceAdapter<PostgresTransaction> {
  readonly #client: PostgresClient;
  readonly #table: string;
  readonly #made: PostgresTable;
  readonly #saves: SaveStatements;
  readonly #coupons: CouponStatements;
  readonly #reads: ReadStatements;
  readonly #userId: UserIdType;
  readonly #selected: string;
  readonly #userIdFault: (userId: string) => string | null;

  /** Throws `InvalidArgumentError` (the client or an option). */
  constructor(client: PostgresLike, options: PostgresOptions = {}) {
    this.#client = new PostgresClient(client);
    const { prepare = false } = options;
    if (prepare && !this.#client.takesNames) {
      throw invalid('prepare', 'must be false: this client takes no names of statements, as a Pool of `pg` does');
    }
    this.#table = quotedTable(options.table);
    const shape = shapeOf(options);
    const { userId } = shape;
    this.#userId = userId;
    this.#selected = selectedOf(userId);
    this.#userIdFault = userIdJudge(userId, RANGES);
    this.#made = new PostgresTable(this.#client, shape, options.table);
    const parts = { shape, made: this.#made, userIdFault: this.#userIdFault, prepare };
    this.#saves = new SaveStatements(this.#table, this.#client, parts);
    this.#coupons = new CouponStatements(this.#table, this.#client, userId);
    this.#reads = new ReadStatements(this.#table, this.#client, userId);
  }

  /**
   * Creates the table with its keys if it is missing, and never alters an existing table. Ends with `checkTable()`. Any
   * number of processes may call it at once. Once the table is there, a role that may only SELECT and INSERT may call
   * it. Three to five statements. Rejects with `MisconfiguredError`, also if users that it shall refer to do not fit, or
   * with the client's own error; then nothing was made.
   */
  async createTable(): Promise<TableFormat> {
    return this.#made.create();
  }

  /**
   * Adds the missing columns and unique keys, and lets columns be NULL that may be. Leaves room in new pages for rows
   * that change: `fillfactor` 80, unless the table has one. All in one transaction; removes no value. Reading and writing
   * the table wait until the keys are built; a table of 0.1 lacks none. Call it by hand or from a migration, not
   * at each start. Ends with `checkTable()`. Rejects with `MisconfiguredError`, or with the client's own error;
   * then nothing was altered. So it does if rows of the table forbid a key, or if a column has a wrong type.
   */
  async upgradeTable(): Promise<TableFormat> {
    return this.#made.upgrade();
  }

  /**
   * Returns the statement of `upgradeTable()`, for a migration of your own. It fits a table of any release, and changes
   * nothing the second time. No I/O.
   */
  async upgradeTableSql(): Promise<string> {
    return this.#made.upgradeSql();
  }

  /**
   * Checks the table in the catalogs: columns that hold every value, a unique key for each promise, and the rights of
   * this role. Writes nothing. Two statements. Rejects with `MisconfiguredError`, which names each missing part and the
   * statement that cures it, or with the client's own error.
   */
  async checkTable(): Promise<TableFormat> {
    return this.#made.check();
  }

  /** `checkTable()`, as each process asks it once. */
  async check(): Promise<TableFormat> {
    return this.#made.check();
  }

  /**
   * Returns the random id that `createTable()` wrote into `<table>_store`. Backups and replicas have the same id.
   * `null` where that table is missing, as in release 0.1, or where this role may not read it. Two statements.
   */
  async identity(): Promise<string | null> {
    return this.#made.identity();
  }

  /** Facts for `diagnose()`. Six statements; five of them commit a record of the log, and none writes a row. */
  async facts(): Promise<DatabaseFacts> {
    return postgresFacts(this.#client);
  }

  async save(
    issuances: readonly Issuance[],
    { newIds = false }: { newIds?: boolean | undefined } = {},
  ): Promise<readonly SaveVerdict[]> {
    if (issuances.length === 0) return [];
    await assertAutocommit(this.#client);
    return this.#saves.save(issuances, newIds);
  }

  /** Says which spelling of a user id the column `user_id` prints; `null` for any text. No I/O. */
  userIdFault(userId: string): string | null {
    return this.#userIdFault(userId);
  }

  async list(campaignId: string, options: { afterSerial: number; limit: number }): Promise<readonly Issuance[]> {
    if (options.afterSerial === 0) await this.#made.assertVisible();
    const { rows } = await this.#client.query(
      `SELECT ${this.#selected} FROM ${this.#table} t WHERE t.campaign_id = $1 AND t.serial > $2 ORDER BY t.serial LIMIT $3`,
      [campaignId, options.afterSerial, options.limit],
    );
    return (rows as Row[]).map(toIssuance);
  }

  async find(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]> {
    return storedOf(issuances, await this.#saves.stored(issuances));
  }

  async look(refs: readonly CouponRef[]): Promise<readonly (Issuance | null)[]> {
    return this.#coupons.look(refs);
  }

  async change(changes: readonly CouponChange[]): Promise<readonly ChangeVerdict[]> {
    await assertAutocommit(this.#client);
    return this.#coupons.change(changes);
  }

  async listByUser(
    userIds: readonly string[],
    options: { campaignIds: readonly string[]; limit: number },
  ): Promise<readonly Issuance[]> {
    return this.#reads.listByUser(userIds, options);
  }

  async campaigns(): Promise<readonly string[]> {
    return this.#reads.campaigns();
  }

  async count(campaignId: string): Promise<CouponTally> {
    return this.#reads.count(campaignId);
  }

  async within(client: PostgresTransaction): Promise<CouponRows> {
    return rowsWithin(client, this.#table, this.#userId);
  }
}
