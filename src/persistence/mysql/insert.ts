import { NotSavedError } from '../../model/errors.js';
import type { Issuance } from '../../model/issuance.js';
import { dataOfRow } from '../row.js';
import { WIDTH } from './catalog.js';

const COLUMNS = 'campaign_id, serial, user_id, grant_no, id, code, issued_at, epoch';
const MORE = [
  { name: 'expires_at', of: ({ expiresAt }: Issuance) => (expiresAt ? utc(expiresAt) : null) },
  { name: 'data', of: (one: Issuance) => bytesOf(dataOfRow(one)) },
];

/** An INSERT of these issuances. Throws `NotSavedError` if one has a text that its column cannot hold. */
export function insertOf(table: string, issuances: readonly Issuance[]): { sql: string; values: unknown[] } {
  // In one order, so that batches which share rows wait for each other instead of deadlocking.
  const sorted = [...issuances].sort(byCampaignAndSerial);
  // Expiry and data are named only where a row has some.
  const more = MORE.filter(({ of }) => sorted.some((one) => of(one) !== null));
  const names = [COLUMNS, ...more.map(({ name }) => name)].join(', ');
  const rows = sorted.map((one) => [...valuesOf(one), ...more.map(({ of }) => of(one))]);
  return { sql: `INSERT INTO ${table} (${names}) VALUES ?`, values: [rows] };
}

function byCampaignAndSerial(one: Issuance, other: Issuance): number {
  if (one.campaignId === other.campaignId) return one.serial - other.serial;
  return one.campaignId < other.campaignId ? -1 : 1;
}

/** As bytes, which no character set or SQL mode of a session changes on the way. */
function valuesOf(one: Issuance): unknown[] {
  return [
    text('campaign_id', one.campaignId),
    one.serial,
    text('user_id', one.userId),
    one.grant,
    text('id', one.id),
    one.code === null ? null : text('code', one.code),
    utc(one.issuedAt),
    text('epoch', one.epoch),
  ];
}

/** As the columns of instants are written. */
export function utc(date: Date): string {
  return date.toISOString().slice(0, 23).replace('T', ' ');
}

function bytesOf(value: string | null): Buffer | null {
  return value === null ? null : Buffer.from(value);
}

function text(column: keyof typeof WIDTH, value: string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length <= WIDTH[column]) return bytes;
  // A session without strict mode would cut it, and take two users for one.
  throw new NotSavedError(`${column} has more than ${WIDTH[column]} bytes`, { permanent: true });
}
