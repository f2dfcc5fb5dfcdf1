import type { JsonObject } from '../model/caller-data.js';
import type { Issuance } from '../model/issuance.js';

/** A row as a driver gives it: a text may come as bytes, and a large number as text. */
export interface Row {
  readonly id: Text;
  readonly campaign_id: Text;
  readonly user_id: Text;
  readonly grant_no: number | string;
  readonly serial: number | string;
  readonly code: Text | null;
  readonly issued_at_ms: number | string;
  readonly epoch: Text;
  readonly data: Text | null;
}
type Text = Uint8Array | string;

/** The issuance of a row. Without data it has no such property. */
export function toIssuance(row: Row): Issuance {
  return {
    id: textOf(row.id),
    campaignId: textOf(row.campaign_id),
    userId: textOf(row.user_id),
    grant: Number(row.grant_no),
    serial: Number(row.serial),
    code: row.code === null ? null : textOf(row.code),
    issuedAt: new Date(Number(row.issued_at_ms)),
    epoch: textOf(row.epoch),
    state: 'issued',
    ...(row.data === null ? {} : { data: JSON.parse(textOf(row.data)) as JsonObject }),
  };
}

function textOf(value: Text): string {
  return typeof value === 'string' ? value : Buffer.from(value).toString();
}

/** The data of an issuance as the text that a column keeps. */
export function dataOfRow({ data }: Issuance): string | null {
  return data === undefined ? null : JSON.stringify(data);
}

/** The stored issuance of each id, or `null`, in order. */
export function storedOf(issuances: readonly Issuance[], stored: readonly Issuance[]): (Issuance | null)[] {
  const byId = new Map(stored.map((row) => [`${row.id}:${row.campaignId}`, row]));
  return issuances.map(({ id, campaignId }) => byId.get(`${id}:${campaignId}`) ?? null);
}
