import type { CouponTally } from '../../model/coupon.js';
import type { Issuance } from '../../model/issuance.js';
import type { CouponRows, DatabaseFacts, PersistenceAdapter, SaveVerdict } from '../adapter.js';
import type { ChangeVerdict, CouponChange, CouponRef } from '../coupon-change.js';
import { type Row, storedOf, toIssuance } from '../row.js';
import type { TableFormat } from '../table-format.js';
import { Autocommit } from './autocommit.js';
import { CouponStatements } from './change.js';
import { MysqlClient, type MysqlLike } from './client.js';
import { mysqlFacts } from './facts.js';
import { ReadStatements } from './read.js';
import { SaveStatements } from './save.js';
import { selectedOf } from './select-list.js';
import { MysqlTable, quotedTable } from './table.js';
import { type MysqlTableOptions, mysqlShapeOf, type UserIdForm, userIdsOf } from './user-ids.js';
import { type MysqlTransaction, rowsWithin } from './within.js';

export type { OwnColumn, OwnTableOptions, UserIdColumn, UserIdType } from '../own-table.js';
export type { TableFormat } from '../table-format.js';
export * from './bridges.js';
export type { MysqlLike } from './client.js';
export { notSavedError } from './errors.js';
export { createTableSql } from './table.js';
export type { MysqlTableOptions, MysqlUserIdColumn } from './user-ids.js';
export type { MysqlTransaction } from './within.js';

/**
 * Saves issuances in MariaDB 10.6 or newer, or in MySQL 5.7 or newer. One statement per batch; a second one only if a
 * row was there before. A deadlock has stored nothing, so the batch is sent again, up to three times in all.
 *
 * Give it a pool or a connection in autocommit. Inside an open transaction, `issued` would not mean committed. So a
 * client in a transaction, or without autocommit, is refused with `NotSavedError`. That check costs one round trip with
 * each batch, and on a pool only one in all.
 *
 * @example
 * ```ts
 * const persistence = new MysqlPersistence(createPool('mysql://shop@127.0.0.1/shop'));
 * await persistence.createTable();
 * ```
 */
export class MysqlPersistence implements PersistenceAdapter<MysqlTransaction> {
  readonly #client: MysqlClient;
  readonly #table: string;
  readonly #made: MysqlTable;
  readonly #coupons: CouponStatements;
  readonly #reads: ReadStatements;
  readonly #selected: string;
  readonly #userIds: UserIdForm;
  readonly #saves: SaveStatements;
  readonly #autocommit: Autocommit;

  /** Throws `InvalidArgumentError` (the client or an option). */
  constructor(client: MysqlLike, options: MysqlTableOptions = {}) {
    this.#table = quotedTable(options.table);
    const shape = mysqlShapeOf(options);
    this.#client = new MysqlClient(client);
    this.#made = new MysqlTable((sql, values) => this.#client.query(sql, values), shape, options.table);
    this.#userIds = userIdsOf(shape);
    this.#selected = selectedOf(this.#userIds);
    this.#saves = new SaveStatements(this.#table, this.#client, shape, this.#userIds);
    this.#autocommit = new Autocommit(this.#client);
    this.#coupons = new CouponStatements(this.#table, this.#client, this.#userIds);
    this.#reads = new ReadStatements(this.#table, this.#client, this.#userIds);
  }

  /**
   * Creates the table with its keys if it is missing, and never alters an existing table. Ends with `checkTable()`. Any
   * number of processes may call it at once. Once the table is there, a user without the right to create may call it.
   * Rejects with `MisconfiguredError`, or with the client's own error.
   */
  async createTable(): Promise<TableFormat> {
    return this.#made.create();
  }

  /**
   * Adds the missing keys and columns, and lets columns be NULL that may be. Up to three statements; removes no value.
   * If it is stopped between two, call it again. If `grant_no` may not be NULL, as in a table of 0.1, the server builds
   * the table anew meanwhile. For a foreign key it copies the table, and writing waits. Call it by hand or from a
   * migration, not at each start. Ends with `checkTable()`. Rejects with `MisconfiguredError`, or with the client's own
   * error. If rows of the table forbid a key, or it is unfit in a way that no addition cures, nothing was altered.
   */
  async upgradeTable(): Promise<TableFormat> {
    return this.#made.upgrade();
  }

  /**
   * Returns the statements that `upgradeTable()` would send now, for a migration of your own. They fit the table as it
   * is: they name the parts that it lacks. Writes nothing. Rejects with `MisconfiguredError` if a foreign key cannot
   * join `user_id` and the column of the users.
   */
  async upgradeTableSql(): Promise<string> {
    return (await this.#made.upgradeSql()).join('');
  }

  /**
   * Checks the table: columns that hold every value, a unique key for each promise, InnoDB, and the rights of this user.
   * Also its foreign keys, and a binary log that takes its rows. Writes nothing. Six statements, and one more where it
   * refers to users. Rejects with `MisconfiguredError`, which names each missing part and the statement that cures it,
   * or with the client's own error.
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
   * `null` where that table is missing, as in release 0.1, or where this user may not read it.
   * One statement.
   */
  async identity(): Promise<string | null> {
    return this.#made.identity();
  }

  /** Facts for `diagnose()`. Two statements. */
  async facts(): Promise<DatabaseFacts> {
    return mysqlFacts(async (text) => (await this.#client.query(text)) as unknown[]);
  }

  async save(issuances: readonly Issuance[], options: { signal: AbortSignal }): Promise<readonly SaveVerdict[]> {
    if (issuances.length === 0) return [];
    await this.#autocommit.assert();
    return this.#saves.save(issuances, options.signal);
  }

  /** Says which spelling of a user id the column `user_id` takes; `null` for any text. No I/O. */
  userIdFault(userId: string): string | null {
    return this.#userIds.fault(userId);
  }

  async list(campaignId: string, options: { afterSerial: number; limit: number }): Promise<readonly Issuance[]> {
    const rows = await this.#client.query(
      `SELECT ${this.#selected} FROM ${this.#table} WHERE campaign_id = ? AND serial > ? ORDER BY serial LIMIT ?`,
      [Buffer.from(campaignId), options.afterSerial, options.limit],
    );
    return (rows as Row[]).map(toIssuance);
  }

  async find(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]> {
    return storedOf(issuances, await this.#saves.find(issuances));
  }

  async look(refs: readonly CouponRef[]): Promise<readonly (Issuance | null)[]> {
    return this.#coupons.look(refs);
  }

  async change(changes: readonly CouponChange[]): Promise<readonly ChangeVerdict[]> {
    await this.#autocommit.assert();
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

  async within(client: MysqlTransaction): Promise<CouponRows> {
    return rowsWithin(client, this.#table, this.#userIds);
  }
}
