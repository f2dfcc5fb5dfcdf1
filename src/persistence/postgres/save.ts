import type { Issuance } from '../../model/issuance.js';
import type { SaveVerdict } from '../adapter.js';
import type { TableShape } from '../own-table.js';
import { failureOf } from '../proof.js';
import { type Row, toIssuance } from '../row.js';
import { SKIPPED, withoutSkipped } from '../skipped.js';
import { saveOfUsers, type Users } from '../users.js';
import { knownVerdicts, SAVED } from '../verdict.js';
import type { PostgresClient, PostgresResult } from './client.js';
import { codeOf, MOMENTARY } from './errors.js';
import { arrayOf, type Batch, InsertStatements, type Statement } from './insert.js';
import { selectedOf, USER_TYPES } from './select-list.js';
import { type PostgresTable, quotedUsers } from './table.js';

const UNIQUE_VIOLATION = '23505';
const FOREIGN_KEY_VIOLATION = '23503';
/** After a conflict, so many batches are expected to have one too. */
const WARY_FOR = 100;

interface SaveParts {
  readonly shape: TableShape;
  readonly made: PostgresTable;
  readonly userIdFault: (userId: string) => string | null;
  /** Whether statements have names. */
  readonly prepare: boolean;
}

/** The statements of a save: the INSERT, and the look for rows that are in its way. */
export class SaveStatements {
  readonly #client: PostgresClient;
  readonly #made: PostgresTable;
  readonly #inserts: InsertStatements;
  readonly #lookUp: string;
  readonly #prepare: boolean;
  readonly #shape: TableShape;
  /** `null`: any text is a user. */
  readonly #users: Users | null;
  #wary = 0;
  /** `false`: the client does not tell how many rows an INSERT stored. */
  #counts = true;

  constructor(table: string, client: PostgresClient, { shape, made, userIdFault, prepare }: SaveParts) {
    this.#client = client;
    this.#made = made;
    this.#prepare = prepare;
    this.#shape = shape;
    this.#users =
      shape.userId === 'text' && !shape.users
        ? null
        : {
            userIdFault,
            isForeignKey: (error) => shape.users !== null && failureOf(error).code === FOREIGN_KEY_VIOLATION,
            missing: (userIds) => this.#missing(userIds),
          };
    this.#inserts = new InsertStatements(table, shape);
    this.#lookUp = [
      't.serial = n.serial',
      't.user_id = n.user_id AND (t.grant_no = n.grant_no OR t.id = n.id)',
      't.code = n.code',
    ]
      .map(
        (match) =>
          `SELECT ${selectedOf(shape.userId)} FROM ${this.#inserts.rows} JOIN ${table} t ON t.campaign_id = n.campaign_id AND ${match}`,
      )
      .join(' UNION ALL ');
  }

  save(issuances: readonly Issuance[], newIds: boolean): Promise<readonly SaveVerdict[]> {
    const saveAll = (some: readonly Issuance[]) => this.#saveAll(some, newIds);
    return this.#users ? saveOfUsers(issuances, this.#users, saveAll) : saveAll(issuances);
  }

  async #saveAll(issuances: readonly Issuance[], newIds: boolean): Promise<readonly SaveVerdict[]> {
    const written = await this.#insertAll(this.#inserts.batch(issuances), newIds);
    if (written === issuances.length) return issuances.map(() => SAVED);
    return withoutSkipped(issuances, await this.#explain(issuances), (one) => this.#saveAlone(one));
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
    return knownVerdicts(issuances, await this.stored(issuances));
  }

  /** The rows that have a unique key in common with one of the issuances; a row may come more than once. */
  async stored(issuances: readonly Issuance[]): Promise<Issuance[]> {
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
}
