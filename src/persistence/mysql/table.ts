import { invalid, MisconfiguredError } from '../../model/errors.js';
import { textOf } from '../row.js';
import {
  assertMakeable,
  assertTable,
  assertUpgradable,
  DEFAULT_TABLE,
  emptyStore,
  formatOf,
  sameRows,
  strangeUsers,
  type TableFormat,
} from '../table-format.js';
import type { Found, FoundColumn, Statistic } from './catalog.js';
import { type Column, isRequired, KEYS, sqlName, toNullable } from './columns.js';
import { isForeignKey } from './errors.js';
import { columnsOf, flawsOf, missingKeys, unique } from './flaws.js';
import {
  flawsOfType,
  flawsOfUsers,
  isLinked,
  namedReferenceSql,
  namedUsers,
  referenceSql,
  referencesIn,
} from './references.js';
import { type MysqlShape, type MysqlTableOptions, mysqlShapeOf } from './user-ids.js';

export { quotedUsers } from './references.js';

/** Sends a statement and answers its rows. */
type Query = (sql: string, values?: unknown[]) => Promise<unknown>;

/** The names of the server have up to 64 characters. */
const TABLE = { schema: 64, longest: 58 };
/** No such table, and no right to it or to a column. */
const UNREADABLE = [1146, 1142, 1143];
const DUPLICATE_ENTRY = 1062;
/** A column, an index or a foreign key of that name is there. MariaDB has another number for the last one. */
const ALREADY_THERE = [1060, 1061, 1826];
/** The users have another engine, or no key that is theirs alone. MariaDB tells it by a number of its own. */
const NO_FOREIGN_KEY = [1215, 1822, 1824, 3780, 6125];
const MALFORMED_KEY = /errno: 150\b/;
const DUPLICATE_NAME = /errno: 121\b/;
const WHERE = 'TABLE_SCHEMA = COALESCE(?, DATABASE()) AND TABLE_NAME = ?';
const COLUMN = `TABLE_SCHEMA AS schemaName, TABLE_NAME AS tableName, COLUMN_NAME AS name, LOWER(DATA_TYPE) AS type, COLUMN_TYPE AS full, COLLATION_NAME AS collation, CHARACTER_MAXIMUM_LENGTH AS length,
  DATETIME_PRECISION AS fraction, IS_NULLABLE AS nullable, COLUMN_DEFAULT AS preset, EXTRA AS extra, PRIVILEGES AS rights,
  COLUMN_KEY AS keyed, CURRENT_USER() AS account`;
const VARIABLES = [
  ...['sql_mode', 'log_bin', 'sql_log_bin', 'binlog_format', 'tx_isolation', 'transaction_isolation'],
  'foreign_key_checks',
];

/**
 * Everything that `createTable()` makes, for a migration of your own: the table with its unique keys, and
 * `<table>_store` with the id of the database. The keys make overselling impossible, even if Redis loses everything.
 * These are three statements: a pool of `mysql2` sends them at once only with `multipleStatements`. A part that is there
 * stays as it is. Text is kept as its bytes, because collations take different texts for the same; `issued_at` is in UTC.
 * `table` matches `[schema.]name` in lower case, default `coupon_issuances`. `userId`
 * and `columns` are those of `MysqlPersistence`; a wrong option is an `InvalidArgumentError`. So is a text or a UUID that
 * refers to users: its column follows theirs, which `upgradeTableSql()` looks up.
 *
 * @example
 * ```ts
 * console.log(createTableSql({ table: 'shop.coupon_issuances' }));
 * ```
 */
export function createTableSql(options: MysqlTableOptions = {}): string {
  const quoted = quotedTable(options.table);
  const shape = mysqlShapeOf(options);
  if (shape.users && /^(text|uuid)$/.test(shape.userId)) {
    throw invalid('userId.references', 'needs the type of its column: upgradeTableSql() looks it up');
  }
  return [...storeSql(storeOf(quoted)), creationOf(quoted, shape, null)].join('');
}

/** A table of one row, which says which database this is. */
function storeOf(quoted: string): string {
  return quoted.replace(/`$/, '_store`');
}

/** The server draws the id, so one migration gives each of its databases an id of its own. Replicas draw the same. MySQL 9.7 has no MD5. */
function storeSql(store: string): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${store} (one tinyint NOT NULL DEFAULT 1 PRIMARY KEY CHECK (one = 1), id varbinary(128) NOT NULL) ENGINE=InnoDB;\n`,
    `${identitySql(store)};\n`,
  ];
}

function identitySql(store: string): string {
  return `INSERT IGNORE INTO ${store} (one, id) VALUES (1, LEFT(SHA2(CONCAT(RAND(), RAND(), NOW(6)), 256), 32))`;
}

function creationOf(quoted: string, shape: MysqlShape, users: FoundColumn | null): string {
  const [primary, ...others] = KEYS;
  const lines = [
    ...columnsOf(shape, users).map(({ name, made }) => `${sqlName(name).padEnd(11)} ${made}`),
    `PRIMARY KEY (${primary!.columns.join(', ')})`,
    ...others.map(({ name, columns }) => `UNIQUE KEY ${name} (${columns.join(', ')})`),
    ...(shape.users ? [referenceSql(shape.users)] : []),
  ];
  return `CREATE TABLE IF NOT EXISTS ${quoted} (\n  ${lines.join(',\n  ')}\n) ENGINE=InnoDB;\n`;
}

/** The table as SQL names it. Throws `InvalidArgumentError`. */
export function quotedTable(table = DEFAULT_TABLE): string {
  assertTable(table, TABLE);
  return `\`${table.replace('.', '`.`')}\``;
}

/** The table of an adapter: how it is made, altered and judged. */
export class MysqlTable {
  readonly #query: Query;
  readonly #name: string;
  readonly #quoted: string;
  readonly #storeName: string;
  /** Schema and name. */
  readonly #where: readonly [string | null, string];
  readonly #shape: MysqlShape;

  constructor(query: Query, shape: MysqlShape, table = DEFAULT_TABLE) {
    this.#query = query;
    this.#shape = shape;
    this.#name = table;
    this.#quoted = quotedTable(table);
    this.#storeName = storeOf(this.#quoted);
    const [name, schema = null] = table.split('.').reverse() as [string, string?];
    this.#where = [schema, name];
  }

  /** A table that is there is only judged, so a user without the right to create may call it. */
  async create(): Promise<TableFormat> {
    const [found, users] = [await this.#find(), await this.#findUsers()];
    if (found) return this.#judge(found, users);
    try {
      await this.#run(this.#creationFor(users));
    } catch (error) {
      throw this.#refusal(error);
    }
    return this.check();
  }

  /** If two processes add a part at once, the second finds it, and looks again which parts are left. */
  async upgrade(attempts = 5): Promise<TableFormat> {
    const found = await this.#find();
    if (found) assertUpgradable(this.#name, flawsOf(found, await this.#findUsers(), this.#quoted, this.#shape));
    try {
      await this.#run(await this.upgradeSql());
    } catch (error) {
      const { errno = 0, message = '' } = (error ?? {}) as { errno?: number; message?: string };
      const isThere = ALREADY_THERE.includes(errno) || DUPLICATE_NAME.test(message);
      if (isThere && attempts > 1) return this.upgrade(attempts - 1);
      if (this.#shape.users && isForeignKey(error)) throw strangeUsers(this.#name, namedUsers(this.#shape.users));
      if (errno !== DUPLICATE_ENTRY) throw this.#refusal(error);
      throw sameRows(
        this.#name,
        KEYS.map(({ columns }) => columns),
      );
    }
    return this.check();
  }

  async upgradeSql(): Promise<string[]> {
    const [found, users] = [await this.#find(), await this.#findUsers()];
    if (!found) return this.#creationFor(users);
    const isFree = users !== null && !isLinked(found, users);
    // The server tells hardly anything about a foreign key that it refuses.
    formatOf(this.#name, [
      ...flawsOfUsers(this.#shape, users),
      ...(isFree ? flawsOfType(found, users, this.#quoted, this.#shape) : []),
    ]);
    const reference = isFree ? [`ADD ${namedReferenceSql(this.#shape.users!, found)}`] : [];
    return [
      ...storeSql(this.#storeName),
      ...alterationsOf(found, columnsOf(this.#shape, users), reference).map(
        (parts) => `ALTER TABLE ${this.#quoted} ${parts.join(', ')};\n`,
      ),
    ];
  }

  /**
   * Rejects with `MisconfiguredError` if the table is not fit, and with the client's own error if it could not be
   * asked.
   */
  async check(): Promise<TableFormat> {
    return this.#judge(await this.#find(), await this.#findUsers());
  }

  /** `null` where there is no such row, or this user may not read it. */
  async identity(): Promise<string | null> {
    const [row] = (await this.#readStore()) ?? [];
    return row ? Buffer.from(row.id).toString() : null;
  }

  /** `null`: it is not there, or this user may not read it. */
  async #readStore(): Promise<{ id: Uint8Array | string }[] | null> {
    try {
      return (await this.#query(`SELECT id FROM ${this.#storeName}`)) as { id: Uint8Array | string }[];
    } catch (error) {
      if (UNREADABLE.includes((error as { errno?: number } | null)?.errno ?? 0)) return null;
      throw error;
    }
  }

  #creationFor(users: FoundColumn | null): string[] {
    assertMakeable(this.#name, flawsOfUsers(this.#shape, users));
    return [...storeSql(this.#storeName), creationOf(this.#quoted, this.#shape, users)];
  }

  async #judge(found: Found | null, users: FoundColumn | null): Promise<TableFormat> {
    const isEmpty = found !== null && (await this.#readStore())?.length === 0;
    return formatOf(this.#name, [
      ...flawsOf(found, users, this.#quoted, this.#shape),
      ...(isEmpty ? [emptyStore(this.#storeName, identitySql(this.#storeName))] : []),
    ]);
  }

  /** The error of a foreign key that the server does not make, for a reason that is not in the catalog. It quotes no row. */
  #refusal(error: unknown): unknown {
    const { users } = this.#shape;
    const { errno = 0, message = '' } = (error ?? {}) as { errno?: number; message?: string };
    if (!users || !(NO_FOREIGN_KEY.includes(errno) || MALFORMED_KEY.test(message))) return error;
    return new MisconfiguredError(
      `the server makes no foreign key of the table ${this.#name} to ${namedUsers(users)}, so that table was neither made nor altered: ${message}. Cure that, or leave out userId.references, and then call again`,
      { cause: error },
    );
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
    const references = await this.#findReferences(table);
    return { ...table, columns, statistics: statistics.map(upperCase), variables: new Map(pairs), references };
  }

  async #findReferences({ kind }: Pick<Found, 'kind'>): Promise<Found['references']> {
    if (kind === 'VIEW') return [];
    try {
      const [row] = (await this.#query(`SHOW CREATE TABLE ${this.#quoted}`)) as Record<string, Uint8Array | string>[];
      return referencesIn(textOf(Object.values(row!)[1]!));
    } catch (error) {
      if (UNREADABLE.includes((error as { errno?: number } | null)?.errno ?? 0)) return null;
      throw error;
    }
  }

  /** The column of the users, if one was named. */
  async #findUsers(): Promise<FoundColumn | null> {
    const { users } = this.#shape;
    if (!users) return null;
    const isTable = `(TABLE_SCHEMA, TABLE_NAME) NOT IN (SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.VIEWS WHERE ${WHERE})`;
    const sql = `SELECT ${COLUMN} FROM information_schema.COLUMNS WHERE ${WHERE} AND COLUMN_NAME = ? AND ${isTable}`;
    const [column] = (await this.#query(sql, [
      ...[users.schema, users.name, users.column],
      ...[users.schema, users.name],
    ])) as FoundColumn[];
    return column ?? null;
  }
}

/**
 * The parts that an upgrade adds, in the order of their statements. Keys and the foreign key come first, because rows may forbid one: then
 * nothing was altered. New columns stand apart from those that become NULL, because the server adds them without
 * building the table anew. A name that another index has is left to the server.
 */
function alterationsOf(found: Found, wanted: readonly Column[], reference: readonly string[]): string[][] {
  const isThere = (name: string) => found.columns.some((column) => column.name.toLowerCase() === name.toLowerCase());
  const indexes = found.statistics.map(({ INDEX_NAME }) => INDEX_NAME);
  const keys = (wanted: typeof KEYS) =>
    wanted.map(({ name, columns }) => `ADD ${unique(columns, indexes.includes(name) ? '' : name || 'by_serial')}`);
  const missing = missingKeys(found);
  const added = wanted
    .filter(({ name }) => !isThere(name))
    .map(({ name, made }) => `ADD COLUMN ${sqlName(name)} ${made}`);
  const steps = [
    [...keys(missing.filter(({ columns }) => columns.every(isThere))), ...reference],
    [...added, ...keys(missing.filter(({ columns }) => !columns.every(isThere)))],
    found.columns.filter((column) => isRequired(column, wanted)).map(toNullable),
  ];
  return steps.filter((parts) => parts.length > 0);
}

/** Servers differ in how they write the names of these columns. */
function upperCase(row: Statistic): Statistic {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name.toUpperCase(), value]));
}
