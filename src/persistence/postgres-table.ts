import { MisconfiguredError } from '../errors.js';
import { formatOf, type TableFormat } from './fit.js';
import { COLUMNS, type Found, flawsOf, foundSql, KEYS, keysSql, listed, uniqueIndexSql } from './postgres-catalog.js';

/** What is needed of a client here. */
interface Client {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: unknown[] }>;
}

const DEFAULT = 'coupon_issuances';
const TABLE = /^([a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,54}$/;
/** Any number will do, as long as all processes that make a table take the same. */
const LOCK = 7_130_468_215;
const UNIQUE_VIOLATION = '23505';

/**
 * The table and its unique keys in one statement, for a migration of your own. They are what makes overselling impossible, whatever happens to Redis.
 * PostgreSQL names the keys, so they do not collide with the keys of a table that was renamed.
 * `table` matches `[schema.]name` in lower case, default `coupon_issuances`; anything else is a `TypeError`.
 *
 * @example
 * ```ts
 * console.log(createTableSql({ table: 'shop.coupon_issuances' }));
 * ```
 */
export function createTableSql(options: { table?: string | undefined } = {}): string {
  const [primary, ...others] = KEYS.map(listed);
  const lines = [
    ...COLUMNS.map(({ name, made }) => `${name.padEnd(11)} ${made}`),
    `PRIMARY KEY ${primary}`,
    ...others.map((columns) => `UNIQUE ${columns}`),
  ];
  return `CREATE TABLE IF NOT EXISTS ${quotedTable(options.table)} (\n  ${lines.join(',\n  ')}\n);\n`;
}

/** The table as SQL names it. Throws `TypeError`. */
export function quotedTable(table = DEFAULT): string {
  if (!TABLE.test(table)) throw new TypeError('table must match [schema.]name, lower case letters, digits and _');
  return `"${table.replace('.', '"."')}"`;
}

/** The table of an adapter: how it is made, altered and judged. */
export class PostgresTable {
  readonly #client: Client;
  readonly #name: string;
  readonly #quoted: string;

  constructor(client: Client, table = DEFAULT) {
    this.#client = client;
    this.#name = table;
    this.#quoted = quotedTable(table);
  }

  /** A table that is there is only judged, so a role without the right to create may call it. */
  async create(): Promise<TableFormat> {
    if (!(await this.#exists())) {
      try {
        await this.#client.query(block(this.#creation));
      } catch (error) {
        // A process of another version, which takes no lock, may have made it at this moment.
        if (!(await this.#exists().catch(() => false))) throw error;
      }
    }
    return this.check();
  }

  async upgrade(): Promise<TableFormat> {
    const columns = COLUMNS.map(({ name, made }) => `ADD COLUMN IF NOT EXISTS ${name} ${made}`);
    const addColumns = `ALTER TABLE ${this.#quoted} ${columns.join(', ')};`;
    try {
      await this.#client.query(block([...this.#creation, addColumns, ...KEYS.map((key) => this.#addKey(key))]));
    } catch (error) {
      if ((error as { code?: unknown } | null)?.code !== UNIQUE_VIOLATION) throw error;
      // The error of the database quotes the row.
      throw new MisconfiguredError(
        `the table ${this.#name} has rows that are the same under ${KEYS.map(listed).join(' or ')}, so nothing was altered: look for them, and then upgrade again`,
      );
    }
    return this.check();
  }

  /** Rejects with `MisconfiguredError` if the table is not fit, and with the client's own error if it could not be asked. */
  async check(): Promise<TableFormat> {
    const { rows } = await this.#client.query(foundSql('to_regclass($1)'), [this.#quoted]);
    const { found } = (rows[0] ?? { found: null }) as { found: Found | null };
    return formatOf(this.#name, flawsOf(found, this.#quoted));
  }

  async #exists(): Promise<boolean> {
    const { rows } = await this.#client.query('SELECT to_regclass($1) IS NOT NULL AS there', [this.#quoted]);
    return (rows[0] as { there: boolean }).there;
  }

  get #creation(): string[] {
    return [createTableSql({ table: this.#name })];
  }

  #addKey(columns: readonly string[]): string {
    const names = columns.map((name) => `'${name}'`).sort();
    const keys = keysSql(`'${this.#quoted}'::regclass`);
    const there = `SELECT FROM (${keys}) k WHERE k.flaw = '' AND k.columns = ARRAY[${names.join(', ')}]`;
    return `IF NOT EXISTS (${there}) THEN ${uniqueIndexSql(columns, this.#quoted)}; END IF;`;
  }
}

/**
 * One statement, so one transaction, which any driver and pooler lets pass. IF NOT EXISTS of PostgreSQL does not wait for others, so processes that start
 * at once wait for each other here.
 */
function block(steps: readonly string[]): string {
  return `DO $block$ BEGIN PERFORM pg_advisory_xact_lock(${LOCK}); ${steps.join(' ')} END $block$`;
}
