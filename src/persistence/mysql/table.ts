import { randomBytes } from 'node:crypto';
import { DEFAULT_TABLE, formatOf, sameRows, type TableFormat } from '../fit.js';
import {
  COLUMNS,
  type Found,
  type FoundColumn,
  flawsOf,
  isRequired,
  KEYS,
  missingKeys,
  type Statistic,
  toNullable,
  unique,
} from './catalog.js';

/** Sends a statement and answers its rows. */
type Query = (sql: string, values?: unknown[]) => Promise<unknown>;

const TABLE = /^([a-z_][a-z0-9_]{0,63}\.)?[a-z_][a-z0-9_]{0,57}$/;
/** No such table, and no right to it or to a column. */
const UNREADABLE = [1146, 1142, 1143];
const DUPLICATE_ENTRY = 1062;
/** A column or an index of that name is there. */
const ALREADY_THERE = [1060, 1061];
const WHERE = 'TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ?';
const COLUMN = `COLUMN_NAME AS name, LOWER(DATA_TYPE) AS type, COLUMN_TYPE AS full, COLLATION_NAME AS collation, CHARACTER_MAXIMUM_LENGTH AS length,
  DATETIME_PRECISION AS fraction, IS_NULLABLE AS nullable, COLUMN_DEFAULT AS preset, EXTRA AS extra, PRIVILEGES AS rights`;
const VARIABLES = ['sql_mode', 'log_bin', 'sql_log_bin', 'binlog_format', 'tx_isolation', 'transaction_isolation'];

/**
 * The table and its unique keys, for a migration of your own. They make overselling impossible, even if Redis loses
 * everything. Text is kept as its bytes, because collations take different texts for the same; `issued_at` is in UTC.
 * `table` matches `[schema.]name` in lower case, default `coupon_issuances`; anything else is a `TypeError`.
 *
 * @example
 * ```ts
 * console.log(createTableSql({ table: 'shop.coupon_issuances' }));
 * ```
 */
export function createTableSql(options: { table?: string | undefined } = {}): string {
  const [primary, ...others] = KEYS;
  const lines = [
    ...COLUMNS.map(({ name, made }) => `${name.padEnd(11)} ${made}`),
    `PRIMARY KEY (${primary!.columns.join(', ')})`,
    ...others.map(({ name, columns }) => `UNIQUE KEY ${name} (${columns.join(', ')})`),
  ];
  return `CREATE TABLE IF NOT EXISTS ${quotedTable(options.table)} (\n  ${lines.join(',\n  ')}\n) ENGINE=InnoDB;\n`;
}

/** The table as SQL names it. Throws `TypeError`. */
export function quotedTable(table = DEFAULT_TABLE): string {
  if (!TABLE.test(table)) throw new TypeError('table must match [schema.]name, lower case letters, digits and _');
  return `\`${table.replace('.', '`.`')}\``;
}

/** The table of an adapter: how it is made, altered and judged. */
export class MysqlTable {
  readonly #query: Query;
  readonly #name: string;
  readonly #quoted: string;
  /** A table of one row, which says which database this is. */
  readonly #store: string;
  /** Schema and name. */
  readonly #where: readonly [string | null, string];

  constructor(query: Query, table = DEFAULT_TABLE) {
    this.#query = query;
    this.#name = table;
    this.#quoted = quotedTable(table);
    this.#store = this.#quoted.replace(/`$/, '_store`');
    const [name, schema = null] = table.split('.').reverse() as [string, string?];
    this.#where = [schema, name];
  }

  /** A table that is there is only judged, so a user without the right to create may call it. */
  async create(): Promise<TableFormat> {
    const found = await this.#find();
    if (found) return formatOf(this.#name, flawsOf(found, this.#quoted));
    await this.#createStore();
    await this.#query(createTableSql({ table: this.#name }));
    return this.check();
  }

  /** If two processes add a part at once, the second finds it. */
  async upgrade(attempts = 3): Promise<TableFormat> {
    await this.#createStore();
    await this.#query(createTableSql({ table: this.#name }));
    const found = await this.#find();
    const changes = found ? changesOf(found) : [];
    try {
      if (changes.length > 0) await this.#query(`ALTER TABLE ${this.#quoted} ${changes.join(', ')}`);
    } catch (error) {
      const { errno = 0 } = (error ?? {}) as { errno?: number };
      if (ALREADY_THERE.includes(errno) && attempts > 1) return this.upgrade(attempts - 1);
      if (errno !== DUPLICATE_ENTRY) throw error;
      throw sameRows(
        this.#name,
        KEYS.map(({ columns }) => columns),
      );
    }
    return this.check();
  }

  /**
   * Rejects with `MisconfiguredError` if the table is not fit, and with the client's own error if it could not be
   * asked.
   */
  async check(): Promise<TableFormat> {
    return formatOf(this.#name, flawsOf(await this.#find(), this.#quoted));
  }

  /** `null` where there is no such row, or this user may not read it. */
  async identity(): Promise<string | null> {
    try {
      const [row] = (await this.#query(`SELECT id FROM ${this.#store}`)) as { id: Uint8Array | string }[];
      return row ? Buffer.from(row.id).toString() : null;
    } catch (error) {
      if (UNREADABLE.includes((error as { errno?: number } | null)?.errno ?? 0)) return null;
      throw error;
    }
  }

  async #createStore(): Promise<void> {
    await this.#query(
      `CREATE TABLE IF NOT EXISTS ${this.#store} (one tinyint NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one = 1), id varbinary(128) NOT NULL) ENGINE=InnoDB`,
    );
    await this.#query(`INSERT IGNORE INTO ${this.#store} (one, id) VALUES (1, ?)`, [randomBytes(16).toString('hex')]);
  }

  async #find(): Promise<Found | null> {
    const ask = (sql: string) => this.#query(sql, [...this.#where]);
    const tables = await ask(
      `SELECT TABLE_TYPE AS kind, ENGINE AS engine FROM information_schema.TABLES WHERE ${WHERE}`,
    );
    const [table] = tables as Pick<Found, 'kind' | 'engine'>[];
    if (!table) return null;
    const columns = (await ask(`SELECT ${COLUMN} FROM information_schema.COLUMNS WHERE ${WHERE}`)) as FoundColumn[];
    const statistics = (await ask(`SELECT * FROM information_schema.STATISTICS WHERE ${WHERE}`)) as Statistic[];
    const variables = await this.#query('SHOW VARIABLES WHERE Variable_name IN (?)', [VARIABLES]);
    const pairs = (variables as Record<string, string>[]).map((row) => Object.values(row) as [string, string]);
    return { ...table, columns, statistics: statistics.map(upperCase), variables: new Map(pairs) };
  }
}

/** The parts that an upgrade adds. A name that another index has is left to the server. */
function changesOf(found: Found): string[] {
  const columns = COLUMNS.filter(({ name }) => !found.columns.some((column) => column.name === name));
  const names = found.statistics.map(({ INDEX_NAME }) => INDEX_NAME);
  return [
    ...columns.map(({ name, made }) => `ADD COLUMN ${name} ${made}`),
    ...found.columns.filter(isRequired).map(toNullable),
    ...missingKeys(found).map(
      ({ name, columns }) => `ADD ${unique(columns, names.includes(name) ? '' : name || 'by_serial')}`,
    ),
  ];
}

/** Servers differ in how they write the names of these columns. */
function upperCase(row: Statistic): Statistic {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toUpperCase(), value]));
}
