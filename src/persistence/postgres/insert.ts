import { createHash } from 'node:crypto';
import type { Issuance } from '../../model/issuance.js';
import { dataOfRow } from '../row.js';

export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** The statements of a save: `plain` fails as a whole where a row is taken, `skipping` stores the others. */
export interface Inserts {
  readonly plain: Statement;
  readonly skipping: Statement;
}

interface InsertedColumn {
  readonly name: string;
  readonly type: string;
  readonly of: (one: Issuance) => string | number | null;
}

const COLUMNS: readonly InsertedColumn[] = [
  { name: 'campaign_id', type: 'text', of: ({ campaignId }) => campaignId },
  { name: 'serial', type: 'bigint', of: ({ serial }) => serial },
  { name: 'user_id', type: 'text', of: ({ userId }) => userId },
  { name: 'grant_no', type: 'int', of: ({ grant }) => grant },
  { name: 'id', type: 'text', of: ({ id }) => id },
  { name: 'code', type: 'text', of: ({ code }) => code },
  { name: 'issued_ms', type: 'bigint', of: ({ issuedAt }) => issuedAt.getTime() },
  { name: 'epoch', type: 'text', of: ({ epoch }) => epoch },
];
/** Only in the statements of a batch that has some: the others cost what they cost without them. */
const EXPIRY: InsertedColumn = {
  name: 'expires_ms',
  type: 'bigint',
  of: ({ expiresAt }) => expiresAt?.getTime() ?? null,
};
const DATA: InsertedColumn = { name: 'data', type: 'text', of: dataOfRow };
const ALL = [...COLUMNS, EXPIRY, DATA];
const arrays = ALL.map(({ type }, i) => `$${i + 1}::${type}[]`);
const names = ALL.map(({ name }) => name);

/** A batch as rows, of which every column is an array. */
export const BATCH = `unnest(${arrays.slice(0, COLUMNS.length).join(', ')}) AS n(${names.slice(0, COLUMNS.length).join(', ')})`;

export function arraysOf(issuances: readonly Issuance[]): string[] {
  return COLUMNS.map(({ of }) => arrayOf(issuances.map(of)));
}

/** The inserted columns: equal in all rows, one value; otherwise an array. */
export class Batch {
  readonly values: (string | number | null)[] = [];
  /** One character for each column: 1 is an array. Those of expiry and data are there only where a row has some. */
  readonly shape: string;

  constructor(issuances: readonly Issuance[]) {
    let shape = '';
    for (const { of } of columnsOf(issuances)) {
      const first = of(issuances[0]!);
      const isShared = issuances.every((one) => of(one) === first);
      this.values.push(isShared ? first : arrayOf(issuances.map(of)));
      shape += isShared ? '0' : '1';
    }
    this.shape = shape;
  }
}

function columnsOf(issuances: readonly Issuance[]): readonly InsertedColumn[] {
  if (issuances.some(({ data }) => data !== undefined)) return ALL;
  return issuances.some(({ expiresAt }) => expiresAt) ? [...COLUMNS, EXPIRY] : COLUMNS;
}

/** The statements for each shape of a batch that came so far. */
export class InsertStatements {
  readonly #table: string;
  readonly #byShape = new Map<string, Inserts>();

  constructor(table: string) {
    this.#table = table;
  }

  of({ shape }: Batch): Inserts {
    let inserts = this.#byShape.get(shape);
    if (!inserts) {
      const text = insertOf(this.#table, shape);
      inserts = { plain: named(text), skipping: named(`${text} ON CONFLICT DO NOTHING`) };
      this.#byShape.set(shape, inserts);
    }
    return inserts;
  }
}

/**
 * NOT EXISTS compares ids, which have no index of their own, among the few rows of the same user. OFFSET 0 keeps it a
 * look-up by index for each row of the batch. Planned as a join, every batch would read the whole table, up to some
 * 100,000 rows. Serials are inserted in one order, whatever the order of the batches: two that share some wait for each
 * other instead of locking each other out. Shared columns are no array, so a lone row has no arrays, and no plan for
 * them.
 */
function insertOf(table: string, shape: string): string {
  const isArray = (i: number) => shape[i] === '1';
  const columns = ALL.slice(0, shape.length);
  const given = columns.map(({ name, type }, i) => (isArray(i) ? `n.${name}` : `$${i + 1}::${type}`));
  const [campaignId, serial, userId, grant, id, code, issuedMs, epoch, expiresMs, data] = given;
  const listed = columns.flatMap((_, i) => (isArray(i) ? [i] : []));
  const from = `FROM unnest(${listed.map((i) => arrays[i]).join(', ')}) AS n(${listed.map((i) => names[i]).join(', ')})`;
  // A campaign that the statistics do not know would be taken for an empty one, and all its rows be read for each that
  // comes. A campaign hidden in a subquery is planned like any campaign.
  const anyCampaign = isArray(0) ? campaignId : `(SELECT ${campaignId})`;
  const order = [campaignId, serial].filter((_, i) => isArray(i));
  return [
    `INSERT INTO ${table} (campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch${expiresMs ? ', expires_at' : ''}${data ? ', data' : ''})`,
    `SELECT ${campaignId}, ${serial}, ${userId}, ${grant}, ${id}, ${code}, to_timestamp(${issuedMs} / 1000.0), ${epoch}${expiresMs ? `, to_timestamp(${expiresMs} / 1000.0)` : ''}${data ? `, ${data}::jsonb` : ''}`,
    ...(listed.length > 0 ? [from] : []),
    `WHERE NOT EXISTS (SELECT FROM ${table} t WHERE t.campaign_id = ${anyCampaign} AND t.user_id = ${userId} AND t.id = ${id} OFFSET 0)`,
    ...(order.length > 0 ? [`ORDER BY ${order.join(', ')}`] : []),
  ].join(' ');
}

function named(text: string): Statement {
  return { name: `coupon_issuer_${createHash('sha1').update(text).digest('hex').slice(0, 16)}`, text };
}

/**
 * An array as PostgreSQL reads it. The drivers write theirs for nested arrays of anything, at several times the price.
 */
export function arrayOf(values: readonly (string | number | null)[]): string {
  return `{${values.map((value) => (typeof value === 'string' ? quoted(value) : (value ?? 'NULL'))).join(',')}}`;
}

function quoted(value: string): string {
  return /["\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
}
