import { MisconfiguredError } from '../../model/errors.js';
import { type OwnTableOptions, shapeOf, type TableShape, type UsersTable } from '../own-table.js';
import {
  assertMakeable,
  assertTable,
  assertUpgradable,
  DEFAULT_TABLE,
  emptyStore,
  type Flaw,
  formatOf,
  sameRows,
  strangeUsers,
  type TableFormat,
} from '../table-format.js';
import {
  type Found,
  type FoundUsers,
  foundSql,
  freedIndexesSql,
  freedIndexSql,
  keysSql,
  listed,
  quotedUsers,
  referenceSql,
  uniqueIndexSql,
  usersSql,
} from './catalog.js';
import { columnsOf, isNullable, KEYS, sqlName } from './columns.js';
import { flawsOf, flawsOfUsers } from './flaws.js';

export { quotedUsers } from './catalog.js';

/** The parts of a client that are needed here. */
interface Client {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
}

/** The names of the server have up to 63 characters. */
const TABLE = { schema: 63, longest: 55 };
/** Any number will do, as long as all processes that make a table take the same. */
const LOCK = 7_130_468_215;
const UNIQUE_VIOLATION = '23505';
const FOREIGN_KEY_VIOLATION = '23503';
/** A statement does not go with the tables as they are: definitions, features, schemas, and rows without a value. Not a missing right. */
const UNFIT = /^(42(?!501)|0A|3F|23502)/;
/** Percent of a page that INSERT fills. A changed row finds room beside the old one, and no index has to know. */
const FILLFACTOR = 80;
/** Drawn by the server, so that one migration gives each of its databases an id of its own. */
const NEW_IDENTITY = 'md5(concat(random(), random(), clock_timestamp()))';
/** A row if there are policies for this role, and not one that shows every row and none that takes some away again. */
const HIDDEN = `SELECT quote_ident(current_user) AS role
  FROM (SELECT coalesce(bool_or(shows) FILTER (WHERE p.polpermissive), false) AND coalesce(bool_and(shows) FILTER (WHERE NOT p.polpermissive), true) AS all_shown
    FROM pg_policy p, LATERAL (SELECT pg_get_expr(p.polqual, p.polrelid) = 'true' AS shows) s
    WHERE p.polrelid = to_regclass($1) AND p.polcmd IN ('r', '*')
      AND EXISTS (SELECT FROM unnest(p.polroles) r WHERE r = 0 OR pg_has_role(r, 'USAGE'))) policies
  WHERE row_security_active(to_regclass($1)) AND NOT all_shown`;

/**
 * Everything that `createTable()` makes, in one statement, for a migration of your own: the table with its unique keys,
 * and `<table>_store` with the id of the database. The keys make overselling impossible, even if Redis loses everything.
 * A part that is there stays as it is. PostgreSQL names the keys, so they do not collide with the keys of a table that was
 * renamed. `table` matches `[schema.]name` in lower case, default `coupon_issuances`.
 * `userId` and `columns` are those of `PostgresPersistence`; a wrong option is an `InvalidArgumentError`.
 *
 * @example
 * ```ts
 * console.log(createTableSql({ table: 'shop.coupon_issuances' }));
 * ```
 */
export function createTableSql(options: { table?: string | undefined } & OwnTableOptions = {}): string {
  return block(creationOf(quotedTable(options.table), shapeOf(options)));
}

function creationOf(quoted: string, shape: TableShape): string[] {
  const store = storeOf(quoted);
  return [
    `CREATE TABLE IF NOT EXISTS ${store} (one boolean PRIMARY KEY DEFAULT true CHECK (one), id text NOT NULL);`,
    `${identitySql(store)};`,
    `GRANT SELECT ON ${store} TO PUBLIC;`,
    ...tableOf(quoted, shape),
  ];
}

function identitySql(store: string): string {
  return `INSERT INTO ${store} (id) VALUES (${NEW_IDENTITY}) ON CONFLICT DO NOTHING`;
}

/** A table of one row, which says which database this is. */
function storeOf(quoted: string): string {
  return quoted.replace(/"$/, '_store"');
}

function tableOf(quoted: string, shape: TableShape): string[] {
  const [primary, ofUsers, ofCodes] = KEYS as [readonly string[], readonly string[], readonly string[]];
  const lines = [
    ...columnsOf(shape).map(({ name, made }) => `${sqlName(name).padEnd(11)} ${made}`),
    `PRIMARY KEY ${listed(primary)}`,
    `UNIQUE ${listed(ofUsers)}`,
    ...(shape.users ? [referenceSql(shape.users)] : []),
  ];
  // CREATE TABLE cannot make a key that leaves rows out. A name for IF NOT EXISTS may belong to a table that was renamed.
  return [
    `IF to_regclass('${quoted}') IS NULL THEN`,
    `CREATE TABLE ${quoted} (\n  ${lines.join(',\n  ')}\n) WITH (fillfactor = ${FILLFACTOR});`,
    `${uniqueIndexSql(ofCodes, quoted)};`,
    `${freedIndexSql(quoted)};`,
    'END IF;',
  ];
}

/** The table as SQL names it. Throws `InvalidArgumentError`. */
export function quotedTable(table = DEFAULT_TABLE): string {
  assertTable(table, TABLE);
  return `"${table.replace('.', '"."')}"`;
}

/** The table of an adapter: how it is made, altered and judged. */
export class PostgresTable {
  readonly #client: Client;
  readonly #name: string;
  readonly #quoted: string;
  readonly #store: string;
  readonly #shape: TableShape;
  #visible = false;
  #findsFreed = false;

  constructor(client: Client, shape: TableShape, table = DEFAULT_TABLE) {
    this.#client = client;
    this.#shape = shape;
    this.#name = table;
    this.#quoted = quotedTable(table);
    this.#store = storeOf(this.#quoted);
  }

  /** A table that is there is only judged, so a role without the right to create may call it. */
  async create(): Promise<TableFormat> {
    if (!(await this.#exists())) {
      await this.#assertUsers();
      try {
        await this.#client.query(block(this.#creation));
      } catch (error) {
        // A process of another version, which takes no lock, may have made it at this moment.
        if (!(await this.#exists().catch(() => false))) throw this.#refusal(error);
      }
    }
    return this.check();
  }

  async upgrade(): Promise<TableFormat> {
    const found = await this.#find();
    if (found) assertUpgradable(this.#name, flawsOf(found, this.#quoted, this.#shape));
    else await this.#assertUsers();
    try {
      await this.#client.query(this.upgradeSql());
    } catch (error) {
      const { code } = (error ?? {}) as { code?: unknown };
      const { users } = this.#shape;
      if (code === FOREIGN_KEY_VIOLATION && users)
        throw strangeUsers(this.#name, `${quotedUsers(users)} ("${users.column}")`);
      if (code !== UNIQUE_VIOLATION) throw this.#refusal(error);
      throw sameRows(this.#name, KEYS);
    }
    return this.check();
  }

  upgradeSql(): string {
    const wanted = columnsOf(this.#shape);
    const columns = wanted.map(({ name, made }) => `ADD COLUMN IF NOT EXISTS ${sqlName(name)} ${made}`);
    // A statement of its own: within one, PostgreSQL drops before it adds.
    const nullable = wanted.filter(isNullable).map(({ name }) => `ALTER COLUMN ${sqlName(name)} DROP NOT NULL`);
    const alterations = [columns, nullable].map((some) => `ALTER TABLE ${this.#quoted} ${some.join(', ')};`);
    const { users } = this.#shape;
    const links = users ? [this.#addReference(users)] : [];
    const keys = KEYS.map((key) => this.#addKey(key));
    const freed = `IF NOT EXISTS (${freedIndexesSql(`'${this.#quoted}'::regclass`)}) THEN ${freedIndexSql(this.#quoted)}; END IF;`;
    return block([...this.#creation, ...alterations, this.#leaveRoom, ...keys, freed, ...links]);
  }

  /**
   * Rejects with `MisconfiguredError` if the table is not fit, and with the client's own error if it could not be
   * asked.
   */
  async check(): Promise<TableFormat> {
    const found = await this.#find();
    this.#findsFreed = found?.findsFreed ?? false;
    return formatOf(this.#name, [
      ...flawsOf(found, this.#quoted, this.#shape),
      ...(found?.hasStore ? await this.#flawsOfStore() : []),
    ]);
  }

  async #find(): Promise<Found | null> {
    const { rows } = await this.#client.query(foundSql('to_regclass($1)', this.#store, this.#shape.users), [
      this.#quoted,
    ]);
    const [row] = rows as { found: string }[];
    return row ? (JSON.parse(row.found) as Found) : null;
  }

  /** Before a table is made. Throws `MisconfiguredError` if a foreign key cannot refer to the users. */
  async #assertUsers(): Promise<void> {
    const { users, userId } = this.#shape;
    if (!users) return;
    const sql = `SELECT quote_ident(current_user) AS role, (${usersSql(users)})::text AS found`;
    const [row] = (await this.#client.query(sql)).rows as { role: string; found: string | null }[];
    const found = row?.found ? (JSON.parse(row.found) as FoundUsers) : null;
    assertMakeable(this.#name, flawsOfUsers(users, found, row!.role, userId));
  }

  /** The error of a statement that the server refused whole. These errors are about the shape of tables, so they quote no row. */
  #refusal(error: unknown): unknown {
    const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
    if (!UNFIT.test(String(code))) return error;
    return new MisconfiguredError(
      `PostgreSQL refused to make or alter the table ${this.#name}, so nothing was altered: ${message}. Cure that, and then call again`,
      { cause: error },
    );
  }

  async #flawsOfStore(): Promise<Flaw[]> {
    const { rows } = await this.#client.query(`SELECT 1 FROM ${this.#store} LIMIT 1`);
    return rows.length > 0 ? [] : [emptyStore(this.#store, identitySql(this.#store))];
  }

  /** Whether an index says if a campaign has a coupon whose grant is free again; `false` before the first check. */
  get findsFreed(): boolean {
    return this.#findsFreed;
  }

  /** `null` where there is no such row, or this role may not read it. */
  async identity(): Promise<string | null> {
    const there = `SELECT has_table_privilege(to_regclass($1), 'SELECT') AS readable`;
    const [found] = (await this.#client.query(there, [this.#store])).rows as { readable: boolean | null }[];
    if (!found?.readable) return null;
    const [row] = (await this.#client.query(`SELECT id FROM ${this.#store}`)).rows as { id: string }[];
    return row?.id ?? null;
  }

  /**
   * Rows that a policy hides would be taken for rows that are not there. Asked until it is known to hide none. Throws
   * `MisconfiguredError`.
   */
  async assertVisible(): Promise<void> {
    if (this.#visible) return;
    const { rows } = await this.#client.query(HIDDEN, [this.#quoted]);
    const [row] = rows as { role: string }[];
    this.#visible = !row;
    if (!row) return;
    const cure = `CREATE POLICY … ON ${this.#quoted} FOR SELECT TO ${row.role} USING (true)`;
    throw new MisconfiguredError(
      `row security of the table ${this.#name} may hide rows from ${row.role}, so the issued coupons are unknown (cure: ${cure}, or ALTER ROLE ${row.role} BYPASSRLS)`,
    );
  }

  async #exists(): Promise<boolean> {
    const { rows } = await this.#client.query('SELECT to_regclass($1) IS NOT NULL AS there', [this.#quoted]);
    return (rows[0] as { there: boolean }).there;
  }

  get #creation(): string[] {
    return creationOf(this.#quoted, this.#shape);
  }

  /** Partitions have it one by one, and a value of the owner stays. */
  get #leaveRoom(): string {
    const own = `SELECT FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'`;
    const full = `SELECT FROM pg_class c WHERE c.oid = '${this.#quoted}'::regclass AND c.relkind = 'r' AND NOT EXISTS (${own})`;
    return `IF EXISTS (${full}) THEN ALTER TABLE ${this.#quoted} SET (fillfactor = ${FILLFACTOR}); END IF;`;
  }

  #addReference(users: UsersTable): string {
    const there = `SELECT FROM pg_constraint f WHERE f.conrelid = '${this.#quoted}'::regclass AND f.contype = 'f' AND f.confrelid = '${quotedUsers(users)}'::regclass
      AND f.conkey = ARRAY(SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = f.conrelid AND a.attname = 'user_id')`;
    return `IF NOT EXISTS (${there}) THEN ALTER TABLE ${this.#quoted} ADD ${referenceSql(users)}; END IF;`;
  }

  #addKey(columns: readonly string[]): string {
    const names = columns.map((name) => `'${name}'`).sort();
    const keys = keysSql(`'${this.#quoted}'::regclass`);
    const there = `SELECT FROM (${keys}) k WHERE k.flaw = '' AND k.columns = ARRAY[${names.join(', ')}]`;
    return `IF NOT EXISTS (${there}) THEN ${uniqueIndexSql(columns, this.#quoted)}; END IF;`;
  }
}

/**
 * One statement, so one transaction, which any driver and pooler lets pass. IF NOT EXISTS of PostgreSQL does not wait
 * for others, so processes that start at once wait for each other here.
 */
function block(steps: readonly string[]): string {
  return `DO $block$ BEGIN\nPERFORM pg_advisory_xact_lock(${LOCK});\n${steps.join('\n')}\nEND $block$;\n`;
}
