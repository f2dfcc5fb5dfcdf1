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
  readonly #storeName: string;
  /** Schema and name. */
  readonly #where: readonly [string | null, string];

  constructor(query: Query, table = DEFAULT_TABLE) {
    this.#query = query;
    this.#name = table;
    this.#quoted = quotedTable(table);
    this.#storeName = this.#quoted.replace(/`$/, '_store`');
    const [name, schema = null] = table.split('.').reverse() as [string, string?];
    this.#where = [schema, name];
  }

  /** A table that is there is only judged, so a user without the right to create may call it. */
  async create(): Promise<TableFormat> {
    const found = await this.#find();
    if (found) return formatOf(this.#name, flawsOf(found, this.#quoted));
    await this.#run(this.#creation);
    return this.check();
  }

  /** If two processes add a part at once, the second finds it, and looks again which parts are left. */
  async upgrade(attempts = 5): Promise<TableFormat> {
    try {
      await this.#run(await this.upgradeSql());
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

  async upgradeSql(): Promise<string[]> {
    const found = await this.#find();
    if (!found) return this.#creation;
    return [
      ...this.#store,
      ...alterationsOf(found).map((parts) => `ALTER TABLE ${this.#quoted} ${parts.join(', ')};\n`),
    ];
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
      const [row] = (await this.#query(`SELECT id FROM ${this.#storeName}`)) as { id: Uint8Array | string }[];
      return row ? Buffer.from(row.id).toString() : null;
    } catch (error) {
      if (UNREADABLE.includes((error as { errno?: number } | null)?.errno ?? 0)) return null;
      throw error;
    }
  }

  /** The server draws the id, so one migration gives each of its databases an id of its own. Replicas draw the same. */
  get #store(): string[] {
    return [
      `CREATE TABLE IF NOT EXISTS ${this.#storeName} (one tinyint NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one = 1), id varbinary(128) NOT NULL) ENGINE=InnoDB;\n`,
      `INSERT IGNORE INTO ${this.#storeName} (one, id) VALUES (1, MD5(CONCAT(RAND(), RAND(), NOW(6))));\n`,
    ];
  }

  get #creation(): string[] {
    return [...this.#store, createTableSql({ table: this.#name })];
  }

  async #run(statements: readonly string[]): Promise<void> {
    for (const sql of statements) await this.#query(sql);
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

/**
 * The parts that an upgrade adds, in the order of their statements. Keys come first, because rows may forbid one: then
 * nothing was altered. New columns stand apart from those that become NULL, because the server adds them without
 * building the table anew. A name that another index has is left to the server.
 */
function alterationsOf(found: Found): string[][] {
  const isThere = (name: string) => found.columns.some((column) => column.name === name);
  const indexes = found.statistics.map(({ INDEX_NAME }) => INDEX_NAME);
  const keys = (wanted: typeof KEYS) =>
    wanted.map(({ name, columns }) => `ADD ${unique(columns, indexes.includes(name) ? '' : name || 'by_serial')}`);
  const missing = missingKeys(found);
  const added = COLUMNS.filter(({ name }) => !isThere(name)).map(({ name, made }) => `ADD COLUMN ${name} ${made}`);
  const steps = [
    keys(missing.filter(({ columns }) => columns.every(isThere))),
    [...added, ...keys(missing.filter(({ columns }) => !columns.every(isThere)))],
    found.columns.filter(isRequired).map(toNullable),
  ];
  return steps.filter((parts) => parts.length > 0);
}

/** Servers differ in how they write the names of these columns. */
function upperCase(row: Statistic): Statistic {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toUpperCase(), value]));
}
