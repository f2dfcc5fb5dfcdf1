import { NotSavedError } from '../../model/errors.js';
import type { Issuance } from '../../model/issuance.js';
import { ownValue, type TableShape } from '../own-table.js';
import { dataOfRow } from '../row.js';
import { WIDTH } from './columns.js';
import type { UserIdForm } from './user-ids.js';

const COLUMNS = 'campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch';

/** A column and its value in the row of an issuance. */
interface InsertedColumn {
  readonly name: string;
  readonly of: (one: Issuance) => unknown;
}

const MORE: readonly InsertedColumn[] = [
  { name: 'expires_at', of: ({ expiresAt }) => (expiresAt ? utc(expiresAt) : null) },
  { name: 'data', of: (one) => bytesOf(dataOfRow(one)) },
];

/** The INSERT of a table. */
export class InsertStatement {
  readonly #table: string;
  readonly #userIds: UserIdForm;
  /** The columns of the owner. */
  readonly #own: readonly InsertedColumn[];

  constructor(table: string, own: TableShape['columns'], userIds: UserIdForm) {
    this.#table = table;
    this.#userIds = userIds;
    this.#own = own.map(ownColumn);
  }

  /** Throws `NotSavedError` if one has a text that its column cannot hold. */
  of(issuances: readonly Issuance[]): { sql: string; values: unknown[] } {
    // In one order, so that batches which share rows wait for each other instead of deadlocking.
    const sorted = [...issuances].sort(byCampaignAndSerial);
    // Expiry and data are named only where a row has some.
    const more = [...this.#own, ...MORE.filter(({ of }) => sorted.some((one) => of(one) !== null))];
    const names = [COLUMNS, ...more.map(({ name }) => name)].join(', ');
    const rows = sorted.map((one) => [...this.#valuesOf(one), ...more.map(({ of }) => of(one))]);
    return { sql: `INSERT INTO ${this.#table} (${names}) VALUES ?`, values: [rows] };
  }

  /** As bytes, which no character set or SQL mode of a session changes on the way. */
  #valuesOf(one: Issuance): unknown[] {
    const userId = this.#userIds.sent(one.userId);
    return [
      fitting('campaign_id', bytesOf(one.campaignId)),
      one.serial,
      Buffer.isBuffer(userId) ? fitting('user_id', userId) : userId,
      one.grant,
      fitting('id', bytesOf(one.id)),
      one.code === null ? null : fitting('code', bytesOf(one.code)),
      utc(one.issuedAt),
      fitting('epoch', bytesOf(one.epoch)),
    ];
  }
}

function byCampaignAndSerial(one: Issuance, other: Issuance): number {
  if (one.campaignId === other.campaignId) return one.serial - other.serial;
  return one.campaignId < other.campaignId ? -1 : 1;
}

/** A text of `data` has at most 1,024 bytes, and the check refuses a column that is narrower. */
function ownColumn(column: TableShape['columns'][number]): InsertedColumn {
  const of = (one: Issuance) => {
    const value = ownValue(column, one);
    return typeof value === 'string' ? bytesOf(value) : typeof value === 'boolean' ? Number(value) : value;
  };
  return { name: `\`${column.name}\``, of };
}

/** As the columns of instants are written. */
export function utc(date: Date): string {
  return date.toISOString().slice(0, 23).replace('T', ' ');
}

export function bytesOf(value: string): Buffer;
export function bytesOf(value: string | null): Buffer | null;
export function bytesOf(value: string | null): Buffer | null {
  return value === null ? null : Buffer.from(value);
}

function fitting(column: keyof typeof WIDTH, bytes: Buffer): Buffer {
  if (bytes.length <= WIDTH[column]) return bytes;
  // A session without strict mode would cut it, and take two users for one.
  throw new NotSavedError(`${column} has more than ${WIDTH[column]} bytes`, { permanent: true });
}
