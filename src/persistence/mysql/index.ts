import type { CouponTally } from '../../model/coupon.js';
import { NotSavedError } from '../../model/errors.js';
import type { Issuance } from '../../model/issuance.js';
import type { CouponRows, DatabaseFacts, PersistenceAdapter, SaveVerdict } from '../adapter.js';
import type { ChangeVerdict, CouponChange, CouponRef } from '../coupon-change.js';
import type { TableFormat } from '../fit.js';
import type { UsersTable } from '../own-table.js';
import { type Row, storedOf, textOf, toIssuance } from '../row.js';
import { SKIPPED, withoutSkipped } from '../skipped.js';
import { saveOfUsers, type Users } from '../users.js';
import { knownVerdicts, SAVED } from '../verdict.js';
import { CouponStatements } from './change.js';
import { AUTOCOMMIT, IN_TRANSACTION, MysqlClient } from './client.js';
import { isDeadlock, isDuplicate, isForeignKey } from './errors.js';
import { mysqlFacts } from './facts.js';
import { bytesOf, InsertStatement } from './insert.js';
import { ReadStatements } from './read.js';
import { selectedOf } from './selected.js';
import { MysqlTable, quotedTable, quotedUsers } from './table.js';
import { type MysqlTableOptions, mysqlShapeOf, type UserIdForm, userIdsOf } from './user-ids.js';
import { type MysqlTransaction, rowsWithin } from './within.js';

export type { TableFormat } from '../fit.js';
export type { OwnColumn, OwnTableOptions, UserIdColumn, UserIdType } from '../own-table.js';
export * from './bridges.js';
export { notSavedError } from './errors.js';
export { createTableSql } from './table.js';
export type { MysqlTableOptions, MysqlUserIdColumn } from './user-ids.js';
export type { MysqlTransaction } from './within.js';

/**
 * The required parts of a MySQL client. Pool, PoolConnection and Connection of `mysql2/promise` fit. Other clients have
 * a bridge, as `fromKysely(db)`.
 */
export interface MysqlLike {
  /**
   * `true`: no statement is in a transaction of somebody else, because each takes a connection of a pool. Then one batch
   * alone is checked for autocommit. A Pool of `mysql2/promise` needs no word.
   */
  readonly autocommit?: boolean | undefined;
  query(options: { sql: string; values: unknown[]; rowsAsArray: boolean }): Promise<[result: unknown, fields: unknown]>;
}

/** The reply of the server to a statement without rows. */
interface Outcome {
  /** Missing where the client does not tell it. */
  readonly insertId: number | string | undefined;
  readonly serverStatus: number;
  readonly affectedRows?: number;
}

/** A unique key: its columns, and the values of an issuance in them. */
interface Key {
  readonly columns: string;
  readonly of: (one: Issuance) => Tuple;
}
type Tuple = readonly unknown[];

const BY_ID: Key = { columns: 'campaign_id, id', of: (one) => [bytesOf(one.campaignId), bytesOf(one.id)] };
const keysOf = ({ sent }: UserIdForm): readonly Key[] => [
  BY_ID,
  { columns: 'campaign_id, serial', of: (one) => [bytesOf(one.campaignId), one.serial] },
  {
    columns: 'campaign_id, user_id, grant_no',
    of: (one) => [bytesOf(one.campaignId), sent(one.userId), one.grant],
  },
  { columns: 'campaign_id, code', of: (one) => [bytesOf(one.campaignId), bytesOf(one.code)] },
];
const MAX_ATTEMPTS = 3;
/** Issuances per look-up, so that one of long texts still fits in a packet. */
const MAX_LOOK_UP = 1000;

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
  readonly #insert: InsertStatement;
  readonly #selected: string;
  readonly #keys: readonly Key[];
  readonly #userIds: UserIdForm;
  /** `null`: any text is a user. */
  readonly #users: Users | null;
  #poolChecked = false;

  /** Throws `InvalidArgumentError` (the client, `userId`, `columns`), `TypeError` (`table`). */
  constructor(client: MysqlLike, options: MysqlTableOptions = {}) {
    const shape = mysqlShapeOf(options);
    this.#client = new MysqlClient(client);
    this.#table = quotedTable(options.table);
    this.#made = new MysqlTable((sql, values) => this.#query(sql, values), shape, options.table);
    this.#userIds = userIdsOf(shape);
    this.#selected = selectedOf(this.#userIds);
    this.#keys = keysOf(this.#userIds);
    this.#insert = new InsertStatement(this.#table, shape.columns, this.#userIds);
    this.#coupons = new CouponStatements(this.#table, this.#client, this.#userIds);
    this.#reads = new ReadStatements(this.#table, this.#client, this.#userIds);
    const { users } = shape;
    this.#users =
      shape.userId === 'text' && !users
        ? null
        : {
            userIdFault: this.#userIds.fault,
            isForeignKey: (error) => users !== null && isForeignKey(error),
            missing: (userIds) => this.#missing(users!, userIds),
          };
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
   * error. If rows of the table forbid a key, nothing was altered.
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
    return mysqlFacts(async (text) => (await this.#query(text)) as unknown[]);
  }

  async save(issuances: readonly Issuance[], options: { signal: AbortSignal }): Promise<readonly SaveVerdict[]> {
    if (issuances.length === 0) return [];
    await this.#assertAutocommit();
    const save = (some: readonly Issuance[]) => this.#saveAll(some, options.signal);
    return this.#users ? saveOfUsers(issuances, this.#users, save) : save(issuances);
  }

  /** Says which spelling of a user id the column `user_id` takes; `null` for any text. No I/O. */
  userIdFault(userId: string): string | null {
    return this.#userIds.fault(userId);
  }

  async #saveAll(issuances: readonly Issuance[], signal: AbortSignal): Promise<readonly SaveVerdict[]> {
    const { insertId, serverStatus } = await this.#insertAll(issuances, signal);
    if (serverStatus & IN_TRANSACTION) {
      throw new Error('the rows are in an open transaction: it is not known whether it will be committed');
    }
    if (Number(insertId) === 0) return issuances.map(() => SAVED);
    return withoutSkipped(issuances, await this.#explain(issuances), (one) => this.#saveAlone(one));
  }

  async list(campaignId: string, options: { afterSerial: number; limit: number }): Promise<readonly Issuance[]> {
    const rows = await this.#query(
      `SELECT ${this.#selected} FROM ${this.#table} WHERE campaign_id = ? AND serial > ? ORDER BY serial LIMIT ?`,
      [Buffer.from(campaignId), options.afterSerial, options.limit],
    );
    return (rows as Row[]).map(toIssuance);
  }

  async find(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]> {
    return storedOf(issuances, await this.#lookUp([BY_ID], issuances));
  }

  async look(refs: readonly CouponRef[]): Promise<readonly (Issuance | null)[]> {
    return this.#coupons.look(refs);
  }

  async change(changes: readonly CouponChange[]): Promise<readonly ChangeVerdict[]> {
    await this.#assertAutocommit();
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

  /**
   * Inserts the new rows. IGNORE would also ignore cut text and changed values. So an existing row is updated to its
   * own values, and LAST_INSERT_ID reports it. If every row is new, `insertId` is 0, because the server numbers
   * nothing in this table.
   */
  async #insertAll(issuances: readonly Issuance[], signal: AbortSignal): Promise<Outcome> {
    const { sql, values } = this.#insert.of(issuances);
    const updating = `${sql} ON DUPLICATE KEY UPDATE serial = LAST_INSERT_ID(serial)`;
    for (let attempt = 1; ; attempt++) {
      try {
        return (await this.#query(updating, values)) as Outcome;
      } catch (error) {
        if (!isDeadlock(error) || attempt === MAX_ATTEMPTS || signal.aborted)
          throw this.#client.proof.notSaved(error) ?? error;
      }
    }
  }

  /**
   * Without a word on duplicates the server says by an error that the row is one. `null`: it did not say how it ended.
   */
  async #saveAlone(one: Issuance): Promise<SaveVerdict | null> {
    const { sql, values } = this.#insert.of([one]);
    try {
      const { affectedRows } = (await this.#query(sql, values)) as Outcome;
      return affectedRows === 1 ? SAVED : null;
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      // Unless the row in the way has come at this moment.
      return (await this.#explain([one]))[0] ?? SKIPPED;
    }
  }

  /**
   * A row that was just committed may stop the insert and still be hidden from the next statement. InnoDB unlocks it a
   * moment before it shows it. A read with a lock sees it.
   */
  async #explain(issuances: readonly Issuance[]): Promise<(SaveVerdict | null)[]> {
    const rows = await this.#lookUp(this.#keys, issuances);
    const verdicts = knownVerdicts(issuances, rows);
    const unexplained = issuances.filter((_, i) => !verdicts[i]);
    if (unexplained.length === 0) return verdicts;
    return knownVerdicts(issuances, rows.concat(await this.#lookUp(this.#keys, unexplained, ' LOCK IN SHARE MODE')));
  }

  /** The stored rows that have one of these keys in common with one of the issuances; a row may come more than once. */
  async #lookUp(keys: readonly Key[], issuances: readonly Issuance[], lock = ''): Promise<Issuance[]> {
    const found: Issuance[] = [];
    for (let first = 0; first < issuances.length; first += MAX_LOOK_UP) {
      const wanted = issuances.slice(first, first + MAX_LOOK_UP);
      const asked = keys
        .map(({ columns, of }) => ({ columns, tuples: wanted.map(of).filter(isWhole) }))
        .filter(({ tuples }) => tuples.length > 0);
      const selects = asked.map(
        ({ columns }) => `(SELECT ${this.#selected} FROM ${this.#table} WHERE (${columns}) IN (?)${lock})`,
      );
      const values = asked.map(({ tuples }) => tuples);
      for (const row of (await this.#query(selects.join(' UNION ALL '), values)) as Row[]) found.push(toIssuance(row));
    }
    return found;
  }

  /** Of these users, the ones that the table of users lacks. */
  async #missing(users: UsersTable, userIds: readonly string[]): Promise<ReadonlySet<string>> {
    const column = `\`${users.column}\``;
    const sql = `SELECT ${this.#userIds.textOf(column)} AS id FROM ${quotedUsers(users)} WHERE ${column} IN (?)`;
    const there = (await this.#query(sql, [userIds.map(this.#userIds.sent)])) as { id: Uint8Array | string }[];
    const missing = new Set(userIds);
    for (const { id } of there) missing.delete(textOf(id));
    return missing;
  }

  /** Connections of a pool are alike, and nobody's transaction is on the one that it lends: it is asked once. */
  async #assertAutocommit(): Promise<void> {
    if (this.#poolChecked) return;
    try {
      if (await this.#isAutocommit()) {
        this.#poolChecked = this.#client.isPool;
        return;
      }
    } catch (error) {
      throw this.#client.proof.notBegun(error) ?? error;
    }
    throw new NotSavedError('the client is in a transaction or has autocommit off: nothing would be committed', {
      wholeBatch: true,
    });
  }

  async #isAutocommit(): Promise<boolean> {
    if (this.#client.isBridge) {
      const [row] = (await this.#query('SELECT @@autocommit AS autocommit')) as { autocommit: unknown }[];
      return Number(row?.autocommit) === 1;
    }
    const { serverStatus } = (await this.#query('DO 0')) as Outcome;
    return (serverStatus & (IN_TRANSACTION | AUTOCOMMIT)) === AUTOCOMMIT;
  }

  async #query(sql: string, values: unknown[] = []): Promise<unknown> {
    const [result] = await this.#client.query({ sql, values, rowsAsArray: false });
    return result;
  }
}

/** A row without a code is in nobody's way because of it. */
function isWhole(tuple: Tuple): boolean {
  return !tuple.includes(null);
}
