import { createHash } from 'node:crypto';
import type { Issuance } from '../../model/issuance.js';
import { ownValue, type TableShape, type UserIdType } from '../own-table.js';
import { dataOfRow } from '../row.js';
import { USER_TYPES } from './select-list.js';

export interface Statement {
  readonly name: string;
  readonly text: string;
}

/**
 * The statements of a save: `plain` fails as a whole where a row is taken, `skipping` stores the others. Both look for
 * the ids first. `ofNewIds` is `plain` without that look. Where a grant of its campaigns is free again, it stores
 * nothing: a row of the same id might have any grant there.
 */
export interface Inserts {
  readonly plain: Statement;
  readonly skipping: Statement;
  readonly ofNewIds: Statement;
}

interface InsertedColumn {
  readonly name: string;
  readonly type: string;
  readonly of: (one: Issuance) => string | number | null;
  /** The column of the table, if its name or its value is another there. */
  readonly into?: { readonly column: string; readonly as: (given: string) => string };
}

const toInstant = (column: string) => ({ column, as: (given: string) => `to_timestamp(${given} / 1000.0)` });

const columnsFor = (userId: UserIdType): readonly InsertedColumn[] => [
  { name: 'campaign_id', type: 'text', of: ({ campaignId }) => campaignId },
  { name: 'serial', type: 'bigint', of: ({ serial }) => serial },
  { name: 'user_id', type: USER_TYPES[userId], of: (one) => one.userId },
  { name: 'grant_no', type: 'int', of: ({ grant }) => grant },
  { name: 'id', type: 'text', of: ({ id }) => id },
  { name: 'code', type: 'text', of: ({ code }) => code },
  { name: 'issued_ms', type: 'bigint', of: ({ issuedAt }) => issuedAt.getTime(), into: toInstant('issued_at') },
  { name: 'epoch', type: 'text', of: ({ epoch }) => epoch },
];
/** Only in the statements of a batch that has some: the others cost what they cost without them. */
const EXPIRY: InsertedColumn = {
  name: 'expires_ms',
  type: 'bigint',
  of: ({ expiresAt }) => expiresAt?.getTime() ?? null,
  into: toInstant('expires_at'),
};
const DATA: InsertedColumn = {
  name: 'data',
  type: 'text',
  of: dataOfRow,
  into: { column: 'data', as: (given) => `${given}::jsonb` },
};

/** The name in the batch is one of ours: that of the owner may be a word of SQL. */
function ownColumn(column: TableShape['columns'][number], i: number): InsertedColumn {
  const of = (one: Issuance) => {
    const value = ownValue(column, one);
    return typeof value === 'boolean' ? String(value) : value;
  };
  return { name: `own_${i}`, type: column.type, of, into: { column: `"${column.name}"`, as: (given) => given } };
}

/** The inserted columns of a batch: equal in all rows, one value; otherwise an array. */
export class Batch {
  readonly values: (string | number | null)[] = [];
  /** One character for each column: 1 is an array. Those of expiry and data are there only where a row has some. */
  readonly shape: string;

  constructor(issuances: readonly Issuance[], columns: readonly InsertedColumn[]) {
    let shape = '';
    for (const { of } of columns) {
      const first = of(issuances[0]!);
      const isShared = issuances.every((one) => of(one) === first);
      this.values.push(isShared ? first : arrayOf(issuances.map(of)));
      shape += isShared ? '0' : '1';
    }
    this.shape = shape;
  }
}

/** The statements for each shape of a batch that came so far. */
export class InsertStatements {
  /** A batch as rows `n`, of which every column is an array. */
  readonly rows: string;
  readonly #table: string;
  /** Of each row. */
  readonly #columns: readonly InsertedColumn[];
  /** With the columns that the owner added. */
  readonly #always: readonly InsertedColumn[];
  readonly #byShape = new Map<string, Inserts>();

  constructor(table: string, { userId, columns }: TableShape) {
    this.#table = table;
    this.#columns = columnsFor(userId);
    this.#always = [...this.#columns, ...columns.map(ownColumn)];
    const arrays = this.#columns.map(({ type }, i) => `$${i + 1}::${type}[]`);
    this.rows = `unnest(${arrays.join(', ')}) AS n(${this.#columns.map(({ name }) => name).join(', ')})`;
  }

  /** The values of `rows`. */
  arraysOf(issuances: readonly Issuance[]): string[] {
    return this.#columns.map(({ of }) => arrayOf(issuances.map(of)));
  }

  /**
   * Rows are inserted in the order of their serials, whatever the order of the batches: two that share some wait for each
   * other instead of locking each other out.
   */
  batch(unsorted: readonly Issuance[]): Batch {
    const issuances = [...unsorted].sort(bySerial);
    if (issuances.some(({ data }) => data !== undefined)) return new Batch(issuances, this.#all);
    const expires = issuances.some(({ expiresAt }) => expiresAt);
    return new Batch(issuances, expires ? [...this.#always, EXPIRY] : this.#always);
  }

  of({ shape }: Batch): Inserts {
    let inserts = this.#byShape.get(shape);
    if (!inserts) {
      const { insert, noId, noFreed } = insertOf(this.#table, this.#all.slice(0, shape.length), shape);
      const looking = `${insert} WHERE NOT EXISTS (${noId})`;
      inserts = {
        plain: named(looking),
        skipping: named(`${looking} ON CONFLICT DO NOTHING`),
        ofNewIds: named(`${insert} WHERE NOT EXISTS (${noFreed})`),
      };
      this.#byShape.set(shape, inserts);
    }
    return inserts;
  }

  get #all(): readonly InsertedColumn[] {
    return [...this.#always, EXPIRY, DATA];
  }
}

/**
 * The INSERT, its look for ids, and the look for a grant that is free again. The first compares ids, which have no index
 * of their own, among the few rows of the same user: another index would cost more. OFFSET 0 keeps it a look-up by index
 * for each row of the batch. Planned as a join, every batch would read the whole table, up to some 100,000 rows. Shared
 * columns are no array, so a lone row has no arrays, and no plan for them.
 */
function insertOf(table: string, columns: readonly InsertedColumn[], shape: string) {
  const isArray = (i: number) => shape[i] === '1';
  const given = columns.map(({ name, type }, i) => (isArray(i) ? `n.${name}` : `$${i + 1}::${type}`));
  const [campaignId, , userId, , id] = given;
  const listed = columns.flatMap((column, i) =>
    isArray(i) ? [{ ...column, array: `$${i + 1}::${column.type}[]` }] : [],
  );
  const from = `FROM unnest(${listed.map(({ array }) => array).join(', ')}) AS n(${listed.map(({ name }) => name).join(', ')})`;
  // A campaign that the statistics do not know would be taken for an empty one, and all its rows be read for each that
  // comes. A campaign hidden in a subquery is planned like any campaign.
  const anyCampaign = isArray(0) ? campaignId : `(SELECT ${campaignId})`;
  const insert = [
    `INSERT INTO ${table} (${columns.map(({ name, into }) => into?.column ?? name).join(', ')})`,
    `SELECT ${columns.map(({ into }, i) => into?.as(given[i]!) ?? given[i]).join(', ')}`,
    ...(listed.length > 0 ? [from] : []),
  ].join(' ');
  const rows = `SELECT FROM ${table} t WHERE t.campaign_id =`;
  const noId = `${rows} ${anyCampaign} AND t.user_id = ${userId} AND t.id = ${id} OFFSET 0`;
  const noFreed = `${rows} ${isArray(0) ? 'ANY ($1::text[])' : anyCampaign} AND t.grant_no IS NULL`;
  return { insert, noId, noFreed };
}

function bySerial(a: Issuance, b: Issuance): number {
  if (a.campaignId !== b.campaignId) return a.campaignId < b.campaignId ? -1 : 1;
  return a.serial - b.serial;
}

function named(text: string): Statement {
  return { name: `coupon_issuer_${createHash('sha1').update(text).digest('hex').slice(0, 16)}`, text };
}

/**
 * An array as PostgreSQL reads it. The drivers write theirs for nested arrays of anything, at several times the price.
 */
export function arrayOf(values: readonly (string | number | boolean | null)[]): string {
  return `{${values.map((value) => (typeof value === 'string' ? quoted(value) : (value ?? 'NULL'))).join(',')}}`;
}

function quoted(value: string): string {
  return /["\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
}
