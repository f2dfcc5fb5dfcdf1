import type { Issuance } from '../../model/issuance.js';
import type { SaveVerdict } from '../adapter.js';
import type { UsersTable } from '../own-table.js';
import { type Row, textOf, toIssuance } from '../row.js';
import { SKIPPED, withoutSkipped } from '../skipped.js';
import { saveOfUsers, type Users } from '../users.js';
import { knownVerdicts, SAVED } from '../verdict.js';
import { IN_TRANSACTION, type MysqlClient, type Outcome } from './client.js';
import { isDeadlock, isDuplicate, isForeignKey } from './errors.js';
import { bytesOf, InsertStatement } from './insert.js';
import { selectedOf } from './select-list.js';
import { quotedUsers } from './table.js';
import type { MysqlShape, UserIdForm } from './user-ids.js';

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

/** The statements of a save: the INSERT, and the look for rows that are in its way. */
export class SaveStatements {
  readonly #table: string;
  readonly #client: MysqlClient;
  readonly #insert: InsertStatement;
  readonly #selected: string;
  readonly #keys: readonly Key[];
  readonly #userIds: UserIdForm;
  /** `null`: any text is a user. */
  readonly #users: Users | null;

  constructor(table: string, client: MysqlClient, shape: MysqlShape, userIds: UserIdForm) {
    this.#table = table;
    this.#client = client;
    this.#insert = new InsertStatement(table, shape.columns, userIds);
    this.#selected = selectedOf(userIds);
    this.#keys = keysOf(userIds);
    this.#userIds = userIds;
    const { users } = shape;
    this.#users =
      shape.userId === 'text' && !users
        ? null
        : {
            userIdFault: userIds.fault,
            isForeignKey: (error) => users !== null && isForeignKey(error),
            missing: (ids) => this.#missing(users!, ids),
          };
  }

  async save(issuances: readonly Issuance[], signal: AbortSignal): Promise<readonly SaveVerdict[]> {
    const save = (some: readonly Issuance[]) => this.#saveAll(some, signal);
    return this.#users ? saveOfUsers(issuances, this.#users, save) : save(issuances);
  }

  /** The stored rows that have the id of one of the issuances. */
  find(issuances: readonly Issuance[]): Promise<Issuance[]> {
    return this.#lookUp([BY_ID], issuances);
  }

  async #saveAll(issuances: readonly Issuance[], signal: AbortSignal): Promise<readonly SaveVerdict[]> {
    const { insertId, serverStatus } = await this.#insertAll(issuances, signal);
    if (serverStatus & IN_TRANSACTION) {
      throw new Error('the rows are in an open transaction: it is not known whether it will be committed');
    }
    if (Number(insertId) === 0) return issuances.map(() => SAVED);
    return withoutSkipped(issuances, await this.#explain(issuances), (one) => this.#saveAlone(one));
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
        return (await this.#client.query(updating, values)) as Outcome;
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
      const { affectedRows } = (await this.#client.query(sql, values)) as Outcome;
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
      for (const row of (await this.#client.query(selects.join(' UNION ALL '), values)) as Row[])
        found.push(toIssuance(row));
    }
    return found;
  }

  /** Of these users, the ones that the table of users lacks. */
  async #missing(users: UsersTable, userIds: readonly string[]): Promise<ReadonlySet<string>> {
    const column = `\`${users.column}\``;
    const sql = `SELECT ${this.#userIds.textOf(column)} AS id FROM ${quotedUsers(users)} WHERE ${column} IN (?)`;
    const there = (await this.#client.query(sql, [userIds.map(this.#userIds.sent)])) as { id: Uint8Array | string }[];
    const missing = new Set(userIds);
    for (const { id } of there) missing.delete(textOf(id));
    return missing;
  }
}

/** A row without a code is in nobody's way because of it. */
function isWhole(tuple: Tuple): boolean {
  return !tuple.includes(null);
}
