import type { CouponTally } from '../../model/coupon.js';
import { invalid, NotSavedError } from '../../model/errors.js';
import type { Issuance } from '../../model/issuance.js';
import type { CouponRows, DatabaseFacts, PersistenceAdapter, SaveVerdict } from '../adapter.js';
import type { ChangeVerdict, CouponChange, CouponRef } from '../coupon-change.js';
import type { TableFormat } from '../fit.js';
import { type OwnTableOptions, type Range, shapeOf, type TableShape, userIdJudge } from '../own-table.js';
import { failureOf } from '../proof.js';
import { type Row, storedOf, toIssuance } from '../row.js';
import { SKIPPED, withoutSkipped } from '../skipped.js';
import { saveOfUsers, type Users } from '../users.js';
import { knownVerdicts, SAVED } from '../verdict.js';
import { CouponStatements } from './change.js';
import { PostgresClient } from './client.js';
import { codeOf, MOMENTARY } from './errors.js';
import { postgresFacts } from './facts.js';
import { arrayOf, type Batch, InsertStatements, type Statement } from './insert.js';
import { ReadStatements } from './read.js';
import { selectedOf, USER_TYPES } from './selected.js';
import { PostgresTable, quotedTable, quotedUsers } from './table.js';
import { type PostgresTransaction, rowsWithin } from './within.js';

export type { TableFormat } from '../fit.js';
export type { OwnColumn, OwnTableOptions, UserIdColumn, UserIdType } from '../own-table.js';
export * from './bridges.js';
export { notSavedError } from './errors.js';
export { createTableSql } from './table.js';
export type { PostgresTransaction } from './within.js';

/**
 * The required parts of a PostgreSQL client. `pg`'s Pool and Client and PGlite fit. Its errors should carry the
 * SQLSTATE as `code`: without it they prove nothing.
 */
export interface PostgresLike {
  /**
   * `true`: no statement is in a transaction of somebody else, because each takes a connection of a pool. Then batches
   * are not checked for one, which saves two statements each. A Pool of `pg` needs no word.
   */
  readonly autocommit?: boolean | undefined;
  query(text: string, values?: unknown[]): Promise<PostgresResult>;
}

/** The result of a statement. A client that gives neither count is asked once more for each batch. */
export interface PostgresResult {
  readonly rows: unknown[];
  /** As `pg` tells it. */
  readonly rowCount?: number | null | undefined;
  /** As PGlite tells it. */
  readonly affectedRows?: number | undefined;
}

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

const UNIQUE_VIOLATION = '23505';
const FOREIGN_KEY_VIOLATION = '23503';
const signed = (bits: bigint): Range => ({ least: -(2n ** (bits - 1n)), most: 2n ** (bits - 1n) - 1n });
const RANGES = { integer: signed(32n), bigint: signed(64n) };
/** After a conflict, so many batches are expected to have one too. */
const WARY_FOR = 100;

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
  readonly #inserts: InsertStatements;
  readonly #lookUp: string;
  readonly #coupons: CouponStatements;
  readonly #reads: ReadStatements;
  readonly #prepare: boolean;
  readonly #shape: TableShape;
  readonly #selected: string;
  /** `null`: any text is a user. */
  readonly #users: Users | null;
  readonly #userIdFault: (userId: string) => string | null;
  #wary = 0;
  /** `false`: the client does not tell how many rows an INSERT stored. */
  #counts = true;

  /** Throws `InvalidArgumentError` (the client, `userId`, `columns`, `prepare`), `TypeError` (`table`). */
  constructor(client: PostgresLike, options: PostgresOptions = {}) {
    this.#client = new PostgresClient(client);
    this.#prepare = options.prepare ?? false;
    if (this.#prepare && !this.#client.takesNames) {
      throw invalid('prepare', 'must be false: this client takes no names of statements, as a Pool of `pg` does');
    }
    this.#table = quotedTable(options.table);
    this.#shape = shapeOf(options);
    const { userId } = this.#shape;
    this.#selected = selectedOf(userId);
    this.#userIdFault = userIdJudge(userId, RANGES);
    this.#users =
      userId === 'text' && !this.#shape.users
        ? null
        : {
            userIdFault: this.#userIdFault,
            isForeignKey: (error) => this.#shape.users !== null && failureOf(error).code === FOREIGN_KEY_VIOLATION,
            missing: (userIds) => this.#missing(userIds),
          };
    this.#made = new PostgresTable(this.#client, this.#shape, options.table);
    this.#inserts = new InsertStatements(this.#table, this.#shape);
    this.#coupons = new CouponStatements(this.#table, this.#client, userId);
    this.#reads = new ReadStatements(this.#table, this.#client, userId);
    this.#lookUp = [
      't.serial = n.serial',
      't.user_id = n.user_id AND (t.grant_no = n.grant_no OR t.id = n.id)',
      't.code = n.code',
    ]
      .map(
        (match) =>
          `SELECT ${this.#selected} FROM ${this.#inserts.rows} JOIN ${this.#table} t ON t.campaign_id = n.campaign_id AND ${match}`,
      )
      .join(' UNION ALL ');
  }

  /**
   * Creates the table with its keys if it is missing, and never alters an existing table. Ends with `checkTable()`. Any
   * number of processes may call it at once. Once the table is there, a role that may only SELECT and INSERT may call
   * it. Two or three statements. Rejects with `MisconfiguredError`, or with the client's own error.
   */
  async createTable(): Promise<TableFormat> {
    return this.#made.create();
  }

  /**
   * Adds the missing columns and unique keys, and lets columns be NULL that may be. Leaves room in new pages for rows
   * that change: `fillfactor` 80, unless the table has one. All in one transaction; removes no value. Reading and writing
   * the table wait until the keys are built; a table of 0.1 lacks none. Call it by hand or from a migration, not
   * at each start. Ends with `checkTable()`. Rejects with `MisconfiguredError`, also if rows of the table forbid a key,
   * or with the client's own error; then nothing was altered.
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
    await this.#assertAutocommit();
    const saveAll = (some: readonly Issuance[]) => this.#saveAll(some, newIds);
    return this.#users ? saveOfUsers(issuances, this.#users, saveAll) : saveAll(issuances);
  }

  /** Says which spelling of a user id the column `user_id` prints; `null` for any text. No I/O. */
  userIdFault(userId: string): string | null {
    return this.#userIdFault(userId);
  }

  async #saveAll(issuances: readonly Issuance[], newIds: boolean): Promise<readonly SaveVerdict[]> {
    const written = await this.#insertAll(this.#inserts.batch(issuances), newIds);
    if (written === issuances.length) return issuances.map(() => SAVED);
    return withoutSkipped(issuances, await this.#explain(issuances), (one) => this.#saveAlone(one));
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
    return storedOf(issuances, await this.#stored(issuances));
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

  async within(client: PostgresTransaction): Promise<CouponRows> {
    return rowsWithin(client, this.#table, this.#shape.userId);
  }

  /**
   * Nearly always every row is new, and then an INSERT that need not look first costs the server a third less. One that
   * finds a row taken stores nothing and says so; a statement that can skip rows is sent instead, and for some time
   * after.
   */
  async #insertAll(batch: Batch, newIds: boolean): Promise<number | null> {
    const { plain, skipping, ofNewIds } = this.#inserts.of(batch);
    const unseen = newIds && this.#made.findsFreed && this.#counts;
    let isInDoubt = false;
    if (this.#wary > 0) {
      this.#wary--;
    } else {
      try {
        const written = await this.#sendInsert(unseen ? ofNewIds : plain, batch);
        if (!unseen || written) return written;
        // Without a count, nobody knows whether it stored the batch or found a grant free again.
        isInDoubt = written === null;
        if (isInDoubt) this.#counts = false;
        else this.#wary = WARY_FOR;
      } catch (error) {
        // A client that does not tell why it failed may have met a row that is taken as well.
        if (['', UNIQUE_VIOLATION].includes(codeOf(error))) this.#wary = WARY_FOR;
        if (codeOf(error) !== UNIQUE_VIOLATION) throw this.#client.proof.notSaved(error) ?? error;
      }
    }
    try {
      return await this.#sendInsert(skipping, batch);
    } catch (error) {
      throw isInDoubt ? error : (this.#client.proof.notSaved(error) ?? error);
    }
  }

  /** A dead-lock or a serialization failure proves that nothing was stored, and may not come again. */
  async #sendInsert(statement: Statement, batch: Batch, tries = 3): Promise<number | null> {
    try {
      const { rowCount, affectedRows } = await this.#query(statement, batch.values);
      return rowCount ?? affectedRows ?? null;
    } catch (error) {
      if (tries > 1 && MOMENTARY.includes(codeOf(error))) return this.#sendInsert(statement, batch, tries - 1);
      throw error;
    }
  }

  #query({ name, text }: Statement, values: unknown[]): Promise<PostgresResult> {
    if (!this.#prepare) return this.#client.query(text, values);
    return this.#client.query({ name, text, values });
  }

  /** `null`: the client does not tell whether it was skipped. */
  async #saveAlone(one: Issuance): Promise<SaveVerdict | null> {
    const batch = this.#inserts.batch([one]);
    const written = await this.#sendInsert(this.#inserts.of(batch).skipping, batch);
    if (written === 1) return SAVED;
    const [verdict] = await this.#explain([one]);
    return verdict ?? (written === 0 ? SKIPPED : null);
  }

  /** A second statement, because the first cannot see rows that a concurrent transaction has just committed. */
  async #explain(issuances: readonly Issuance[]): Promise<(SaveVerdict | null)[]> {
    return knownVerdicts(issuances, await this.#stored(issuances));
  }

  /** The rows that have a unique key in common with one of the issuances; a row may come more than once. */
  async #stored(issuances: readonly Issuance[]): Promise<Issuance[]> {
    const { rows } = await this.#client.query(this.#lookUp, this.#inserts.arraysOf(issuances));
    return (rows as Row[]).map(toIssuance);
  }

  /** Of these users, the ones that the table of users lacks. */
  async #missing(userIds: readonly string[]): Promise<ReadonlySet<string>> {
    const { users, userId } = this.#shape;
    const text = `SELECT n.id::text AS id FROM unnest($1::${USER_TYPES[userId]}[]) AS n(id)
      WHERE NOT EXISTS (SELECT FROM ${quotedUsers(users!)} u WHERE u."${users!.column}" = n.id)`;
    const { rows } = await this.#client.query(text, [arrayOf(userIds)]);
    return new Set((rows as { id: string }[]).map(({ id }) => id));
  }

  /** A setting that is local to the transaction is gone in the next statement, unless both are in the same one. */
  async #assertAutocommit(): Promise<void> {
    if (this.#client.isPool) return;
    const mark = String(Math.random());
    try {
      await this.#client.query(`SELECT set_config('coupon_issuer.mark', $1, true)`, [mark]);
      const { rows } = await this.#client.query(`SELECT current_setting('coupon_issuer.mark', true) AS mark`);
      if ((rows[0] as { mark: string | null }).mark !== mark) return;
    } catch (error) {
      throw this.#client.proof.notBegun(error) ?? error;
    }
    throw new NotSavedError('the client is inside an open transaction, so nothing would be committed', {
      wholeBatch: true,
    });
  }
}
